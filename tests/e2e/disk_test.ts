/**
 * What a machine's own limits do to the compiled binary: a disk that is full, a directory that cannot be written, files that
 * cannot be read, servers that cannot be reached. Needs root, for small file systems of its own.
 * @module
 */
import assert from "assert";
import { Bucket } from "../faults/bucket.ts";
import { type Outcome, runCopilot } from "../faults/copilot.ts";
import { Random } from "../faults/random.ts";
import { downloadScene, type Scene, uploadScene } from "../faults/scene.ts";
import { testWith } from "./harness.ts";

const MIB = 1024 * 1024;
const NEEDS = ["binary", "versitygw", "mounts"] as const;
let scenes = 0;

async function command(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(args[0]!, { args: args.slice(1) }).output();
  assert(success, `${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A file system of so many bytes. */
async function withDisk(bytes: number, use: (path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "copilot-disk-" });
  await command("mount", "-t", "tmpfs", "-o", `size=${Math.ceil(bytes / 4096) * 4096}`, "tmpfs", path);
  try {
    await use(path);
  } finally {
    await command("umount", path);
    Deno.removeSync(path);
  }
}

interface Judged {
  outcome: Outcome;
  error: string;
  directory: string;
}

/** Runs a scene that has to fail, told by error.pb, with nothing left behind. */
async function failing(
  has: Record<"binary" | "versitygw", string>,
  directory: string,
  options: { kind?: "download" | "upload"; largeBytes?: number; prepare?(): Promise<void> } = {},
): Promise<Judged> {
  const bucket = await Bucket.open(has.versitygw, "disks");
  const id = `d${Deno.pid}-${++scenes}`;
  const { largeBytes = 0, kind = "download" } = options;
  const sceneOptions = { bucket, id, random: new Random(id), directory, largeBytes };
  const scene: Scene = kind === "download" ? await downloadScene(sceneOptions) : uploadScene(sceneOptions);
  try {
    await options.prepare?.();
    const outcome = await runCopilot({
      binary: has.binary,
      endpoint: has.versitygw,
      args: scene.args(60_000),
      boundMs: 120_000,
    });
    const error = await scene.error();
    assert.equal(outcome.hung, false);
    assert(error !== null, `error.pb is written\n${outcome.stderr}`);
    assert.deepEqual(await scene.violations(), []);
    assert.deepEqual(await scene.leftovers(), []);
    assert.equal(await scene.succeeded(), false);
    return { outcome, error, directory };
  } finally {
    await bucket.clear(`${id}/`);
    bucket.close();
  }
}

for (const [what, largeBytes] of [["one stream", 6 * MIB], ["several ranges", 40 * MIB]] as const) {
  testWith(
    `a disk that is full at each tenth of a file, in ${what}: place and cause are told, nothing is left`,
    NEEDS,
    async (has, t) => {
      for (let tenth = 0; tenth < 10; tenth++) {
        await t.step(`${tenth}/10`, () =>
          withDisk(largeBytes * tenth / 10 + 8192, async (disk) => {
            const { error } = await failing(has, disk, { largeBytes });
            assert.match(error, /^InputDownloadFailed: /);
            // Where even the documents do not fit the disk is full before the file's turn.
            const full = tenth === 0
              ? /"[^"]*\/[^"]*": No space left|it needs/
              : /it needs [0-9]+ bytes \(.*\), and of the .* free/;
            assert.match(error, full);
            assert(error.includes(`"${disk}`), error);
          }));
      }
    },
  );
}

testWith(
  "a directory that cannot be written: path and cause are told",
  NEEDS,
  (has) =>
    withDisk(MIB, async (disk) => {
      const { error } = await failing(has, disk, {
        prepare: () => command("mount", "-o", "remount,ro", disk),
      });
      assert(error.includes(`"${disk}/`), error);
      assert.match(error, /Read-only file system/);
    }),
);

testWith("a file that cannot be read, a FIFO, a dangling symlink: told by name", NEEDS, async (has, t) => {
  const cases: Record<string, [RegExp, (path: string) => Promise<void>]> = {
    "a FIFO": [/variable dir.*dir\/extra".*FIFO/, (path) => command("mkfifo", path)],
    "a symlink that leads nowhere": [
      /variable dir.*dir\/extra".*nowhere/,
      (path) => Deno.symlink("gone", path),
    ],
    "a symlink that leads outside": [
      /variable dir.*dir\/extra".*outside/,
      (path) => Deno.symlink("/etc/passwd", path),
    ],
    "a symlink to a directory above": [
      /variable dir.*dir\/extra".*above/,
      (path) => Deno.symlink("..", path),
    ],
    "a device": [/variable dir.*dir\/extra".*device/, (path) => command("mknod", path, "c", "1", "5")],
  };
  for (const [name, [wanted, make]] of Object.entries(cases)) {
    await t.step(name, () =>
      withDisk(8 * MIB, async (directory) => {
        const { error } = await failing(has, directory, {
          kind: "upload",
          prepare: () => make(`${directory}/dir/extra`),
        });
        assert.match(error, wanted);
      }));
  }
});

/** Where, until when, and the reason that is told; a resolver may take up to the bound of a connection to answer. */
const UNREACHABLE = [
  ["http://127.0.0.1:9", "5s", /onnection refused/],
  ["http://store.invalid:80", "15s", /store\.invalid/],
] as const;

testWith("servers that cannot be reached: the run ends, and says so on stderr", ["binary"], async (has) => {
  await Promise.all(UNREACHABLE.map(async ([endpoint, timeout, wanted]) => {
    const directory = Deno.makeTempDirSync();
    const flags = ["--from-remote=s3://b/in", "--to-output-prefix=s3://b/out", `--to-local-dir=${directory}`];
    const { code, stderr, hung } = await runCopilot({
      binary: has.binary,
      endpoint,
      args: ["download", ...flags, `--timeout=${timeout}`],
      boundMs: 90_000,
    });
    assert.equal(hung, false);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /download failed.*after \d+ attempts?, with no time left for another/);
    assert.match(stderr, /cannot write the error document/);
    assert.match(stderr, wanted);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    Deno.removeSync(directory);
  }));
});
