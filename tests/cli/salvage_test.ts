import assert from "assert";
import { salvage } from "../../src/cli/salvage.ts";

const salvaged = (line: string, env: Record<string, string> = {}) => salvage(line.split(" "), env, []);

Deno.test("salvage: what is right about a command line says where the document goes, and how the run ends", async () => {
  const command = await salvaged(
    "download --no-such-flag x --to-output-prefix s3://b/out --timeout soon -e --err-output-name mine.pb " +
      "--download-mode NONE --exit-on-error --storage.type stow --storage.stow.kind s3 " +
      "--storage.stow.config endpoint=http://h:1 extra",
    { "LOGGER.LEVEL": "high", "EXIT_ON_ERROR": "maybe" },
  );
  assert(command !== null);
  assert.deepEqual([command.kind, command.outputPrefix, command.errOutputName, command.exitOnError], [
    "download",
    "s3://b/out",
    "mine.pb",
    true,
  ]);
  assert.equal(command.storage.primary.values.endpoint, "http://h:1");
  assert.equal(command.localDir, "/nonexistent");
});

Deno.test("salvage: a bound that cannot be is no reason to be silent", async () => {
  const command = await salvaged("download --to-output-prefix s3://b/out --storage.limits.maxDownloadMBs=-1");
  assert.equal(command?.outputPrefix, "s3://b/out");
});

Deno.test("salvage: a sidecar and the aliases are understood as well", async () => {
  for (const [word, kind] of [["sidecar", "sidecar"], ["upload", "sidecar"], ["downloader", "download"]]) {
    const command = await salvaged(`${word} --bad --to-output-prefix=s3://b/out`);
    assert.deepEqual([command?.kind, command?.errOutputName], [kind, "error.pb"]);
  }
});

Deno.test("salvage: a task that cannot be run is told where its outputs would have gone", async () => {
  for (const flag of ["--outputs", "--to-output-prefix"]) {
    const command = await salvaged(`run --bad ${flag} s3://b/out -- true`);
    assert.deepEqual([command?.kind, command?.outputPrefix], ["sidecar", "s3://b/out"]);
  }
  assert.equal(await salvaged("run --bad -- true"), null);
});

Deno.test("salvage: nothing where the document has no place, or nobody waits for one", async () => {
  for (
    const line of [
      "download --bad",
      "download --bad --to-output-prefix=",
      "download --bad --to-output-prefix",
      "no-such-command --to-output-prefix s3://b/out",
      "inspect --to-output-prefix s3://b/out",
      "download --help --to-output-prefix s3://b/out",
    ]
  ) assert.equal(await salvaged(line), null, line);
});
