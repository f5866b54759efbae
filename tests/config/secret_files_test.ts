import assert from "assert";
import { readSecretFiles, secretValues, type StorageConfig, storeSettings } from "../../src/config/mod.ts";
import type { CopilotError } from "../../src/errors.ts";
import { sys } from "../../src/system/deno.ts";
import { temporaryDirectory } from "../support/flows.ts";

function config(kind: string, settings: Record<string, string>): StorageConfig {
  return {
    type: "stow",
    maxDownloadBytes: 0,
    primary: storeSettings(kind, settings),
    schemes: { s3: storeSettings("s3", settings) },
  };
}

Deno.test("secret_key_path: the file's line is the secret, and is masked as one", () => {
  using dir = temporaryDirectory();
  dir.write("key", " wJalr/+=Key\n\n");
  for (const kind of ["s3", "swift", "oracle"]) {
    const read = readSecretFiles(
      config(kind, { access_key_id: "a", secret_key_path: `${dir.at("key")}\n` }),
      sys.files,
    );
    for (const { values, secrets } of [read.primary, read.schemes.s3!]) {
      assert.equal(secrets.secret_key!.reveal(), "wJalr/+=Key");
      assert.deepEqual(values, { access_key_id: "a" });
    }
    assert.deepEqual(secretValues(read, {}), ["wJalr/+=Key"]);
  }
});

Deno.test("secret_key_path: wins over a secret_key; without it nothing is read", () => {
  using dir = temporaryDirectory();
  dir.write("key", "fromfile");
  const both = config("s3", { secret_key: "inline", secret_key_path: dir.at("key") });
  assert.equal(readSecretFiles(both, sys.files).primary.secrets.secret_key!.reveal(), "fromfile");
  const none = config("s3", { secret_key: "inline" });
  const unread = { readFile: () => assert.fail("nothing is to be read") };
  assert.deepEqual(readSecretFiles(none, unread), none);
});

Deno.test("secret_key_path: a file that is missing, empty or no key is named, what it holds is not", () => {
  using dir = temporaryDirectory();
  dir.write("empty", "\n");
  dir.write("two", "first-part\nsecond-part\n");
  dir.write("large", "k".repeat(100_000));
  for (const name of ["missing", "empty", "two", "large", "."]) {
    assert.throws(
      () => readSecretFiles(config("s3", { secret_key_path: dir.at(name) }), sys.files),
      (error: CopilotError) =>
        error.code === "config" && error.message.includes(dir.at(name)) &&
        error.message.includes("secret_key_path") &&
        !error.message.includes("part"),
      name,
    );
  }
});
