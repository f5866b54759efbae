import assert from "assert";
import { sourceOf } from "../../src/sandbox/documents.ts";
import { sys } from "../../src/system/deno.ts";
import { temporaryDirectory, utf8 } from "../support/flows.ts";

Deno.test("documents: a file that is there is meant as one, whatever its name looks like", () => {
  using dir = temporaryDirectory();
  dir.write("CgA=", "x");
  const given = { files: sys.files, readStdin: () => assert.fail("standard input is not asked for") };
  assert.deepEqual(sourceOf(dir.at("CgA="), given), { name: dir.at("CgA=") });
  assert.deepEqual(sourceOf("s3://bucket/run/outputs.pb", given), { name: "s3://bucket/run/outputs.pb" });
  assert.deepEqual(sourceOf("outputs.pb", given), { name: "outputs.pb" });
});

Deno.test("documents: base64 and standard input are bytes; a short base64 may be a mistyped name, and says so", () => {
  const given = { files: { stat: () => null }, readStdin: () => utf8("piped") };
  assert.deepEqual(sourceOf("-", given), { name: "-", bytes: utf8("piped") });
  const short = sourceOf("CgA=", given);
  assert.deepEqual(short.bytes, Uint8Array.of(10, 0));
  assert.match(short.name, /^CgA= \(taken for base64: there is no such file\)$/);
  assert.equal(sourceOf("QUFB".repeat(20), given).name, "the base64");
});
