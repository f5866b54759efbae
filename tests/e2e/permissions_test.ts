/**
 * What a run of the compiled binary may do: tried from inside, and by inputs and directories that lead astray.
 * @module
 */
import assert from "assert";
import { encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal } from "../../src/flyte/types.ts";
import { Bucket } from "../faults/bucket.ts";
import { runCopilot, storeFlags } from "../faults/copilot.ts";
import { decodeErrorText } from "../faults/documents.ts";
import { Loopback, reply } from "../support/loopback.ts";
import { blob, literalMap, text, tree } from "../support/plans.ts";
import { PROJECT, testWith } from "./harness.ts";

/** Compiles the program with a probe instead of its Worker, or in front of it; gives the binary's path. */
async function compiledWith(
  probe: string,
  directory: string,
  options: { place: "instead" | "in front" },
): Promise<string> {
  for (const name of ["main.ts", "deno.json", "deno.lock", "src", "scripts", "tests/e2e/probe"]) {
    const target = `${directory}/${name}`;
    Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    const { success } = await new Deno.Command("cp", { args: ["-r", `${PROJECT}${name}`, target] }).output();
    assert(success, name);
  }
  const worker = `${directory}/src/sandbox/worker.ts`;
  const rest = options.place === "instead" ? "" : Deno.readTextFileSync(worker);
  Deno.writeTextFileSync(worker, `import "../../${probe}";\n${rest}`);
  const binary = `${directory}/probe-binary`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    // A probe does nothing that training could learn from.
    args: ["run", "-A", "scripts/compile.ts", "--no-training", "--output", binary],
    cwd: directory,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return binary;
}

testWith(
  "from inside the compiled binary: the run's directory and the store, and nothing else",
  ["binary", "versitygw"],
  async ({ versitygw }, t) => {
    const home = Deno.makeTempDirSync({ prefix: "copilot-probe-" });
    try {
      const binary = await compiledWith("tests/e2e/probe/worker.ts", home, { place: "instead" });
      const directory = `${home}/inputs`;
      const { code, stdout, stderr } = await runCopilot({
        binary,
        endpoint: versitygw,
        args: [
          "download",
          "--from-remote=s3://b/in",
          "--to-output-prefix=s3://b/out",
          `--to-local-dir=${directory}`,
        ],
        env: { AWS_ENDPOINT_URL: versitygw },
        boundMs: 30_000,
      });
      assert.equal(code, 0, stderr);
      const report = JSON.parse(stdout) as { allowed: string[]; outcomes: Record<string, string> };
      assert(Object.keys(report.outcomes).length > 30);
      for (const [name, outcome] of Object.entries(report.outcomes)) {
        await t.step(`${name}: ${outcome}`, () => {
          if (report.allowed.includes(name)) assert.equal(outcome, "ok");
          else assert.match(outcome, /^(NotCapable|PermissionDenied|TypeError)$/);
        });
      }
    } finally {
      Deno.removeSync(home, { recursive: true });
    }
  },
);

testWith(
  "a crash is one log line without secrets, an error.pb, and the status of a failure that is told",
  ["binary", "versitygw"],
  async ({ versitygw }, t) => {
    const home = Deno.makeTempDirSync({ prefix: "copilot-crash-" });
    const bucket = await Bucket.open(versitygw, "crashes");
    try {
      const binary = await compiledWith("tests/e2e/probe/crash.ts", home, { place: "in front" });
      for (const kind of ["thrown", "rejected"]) {
        await t.step(kind, async () => {
          const root = `s3://${bucket.name}/c${Deno.pid}-${kind}`;
          const { code, stdout, stderr, hung } = await runCopilot({
            binary,
            endpoint: versitygw,
            args: [
              "download",
              `--from-remote=${root}/in`,
              `--to-output-prefix=${root}/out`,
              `--to-local-dir=${home}/${kind}`,
              "--logger.level=3",
            ],
            env: { AWS_SECRET_ACCESS_KEY: "a-secret-of-the-tests" },
            boundMs: 90_000,
          });
          const error = decodeErrorText(await bucket.get(`c${Deno.pid}-${kind}/out/error.pb`));
          await bucket.clear(`c${Deno.pid}-${kind}/`);
          assert.deepEqual([code, hung], [0, false], stderr);
          assert.match(error ?? "", /^CopilotCrashed: The run crashed: near \*\*\*/);
          assert.doesNotMatch(stdout + stderr + error, /a-secret-of-the-tests|testsecret/);
          const lines = stderr.trim().split("\n").map((line) => JSON.parse(line));
          assert.deepEqual(lines.map(({ msg }) => msg), ["downloading", "the run crashed"], stderr);
          assert.match(lines[1].stack, /crash|worker/);
        });
      }
    } finally {
      bucket.close();
      Deno.removeSync(home, { recursive: true });
    }
  },
);

testWith(
  "a Worker that is lost in something long ends with its deadline, and is told by error.pb",
  ["binary"],
  async (_, t) => {
    const home = Deno.makeTempDirSync({ prefix: "copilot-busy-" });
    try {
      const binary = await compiledWith("tests/e2e/probe/busy.ts", home, { place: "in front" });
      for (const kind of ["loop", "promises", "expression"]) {
        for (const [how, kill] of [["--timeout", undefined], ["SIGTERM", "SIGTERM"]] as const) {
          await t.step(`${kind}, ${how}`, async () => {
            const { code, stderr, hung } = await runCopilot({
              binary,
              endpoint: "",
              args: [
                "download",
                `--from-remote=${home}/in`,
                `--to-output-prefix=${home}/${kind}-${how}`,
                `--to-local-dir=${home}/${kind}`,
                "--storage.type=local",
                ...kill === undefined ? ["--timeout=1s"] : [],
              ],
              ...kill !== undefined && { kill: { signal: kill, afterMs: 500 } },
              boundMs: 60_000,
            });
            assert.deepEqual([code, hung], [kill === undefined ? 0 : 1, false], stderr);
            if (kill !== undefined) return;
            const error = decodeErrorText(Deno.readFileSync(`${home}/${kind}-${how}/error.pb`));
            assert.equal(error, "InputDownloadFailed: Download not finished within 1 s");
          });
        }
      }
    } finally {
      Deno.removeSync(home, { recursive: true });
    }
  },
);

let runs = 0;

interface Downloaded {
  error: string | null;
  directory: string;
  stderr: string;
}

/** Downloads crafted inputs into a directory. */
async function download(
  has: { binary: string; versitygw: string },
  literals: Record<string, Literal>,
  prepare: (directory: string) => void = () => {},
): Promise<Downloaded> {
  const bucket = await Bucket.open(has.versitygw, "permissions");
  const id = `p${Deno.pid}-${++runs}`;
  const directory = Deno.makeTempDirSync({ prefix: "copilot-permissions-" });
  prepare(directory);
  await bucket.put(`${id}/data/file`, new TextEncoder().encode("theirs"));
  await bucket.put(`${id}/data/dir/a`, new TextEncoder().encode("theirs"));
  const rooted = Object.fromEntries(
    Object.entries(literals).map((
      [name, value],
    ) => [name, withRoot(value, `s3://${bucket.name}/${id}/data`)]),
  );
  await bucket.put(`${id}/in`, encodeLiteralMap(literalMap(rooted)));
  const root = `s3://${bucket.name}/${id}`;
  const outcome = await runCopilot({
    binary: has.binary,
    endpoint: has.versitygw,
    args: [
      "download",
      `--from-remote=${root}/in`,
      `--to-output-prefix=${root}/out`,
      `--to-local-dir=${directory}`,
      "--timeout=30s",
    ],
    boundMs: 90_000,
  });
  assert.equal(outcome.hung, false);
  const error = decodeErrorText(await bucket.get(`${id}/out/error.pb`));
  await bucket.clear(`${id}/`);
  bucket.close();
  return { error, directory, stderr: outcome.stderr };
}

/** `data:` in a blob's URI is where the scene's objects are. */
function withRoot(literal: Literal, root: string): Literal {
  return JSON.parse(
    JSON.stringify(literal, (_, value) => value instanceof Map ? { map: [...value] } : value),
    (_, value) => {
      if (typeof value === "string") return value.replace(/^data:/, `${root}/`);
      return value !== null && typeof value === "object" && "map" in value && Array.isArray(value.map)
        ? new Map(value.map)
        : value;
    },
  );
}

testWith("inputs from a store cannot name local files or addresses that hand out credentials", [
  "binary",
  "versitygw",
], async (has, t) => {
  const places = [
    "file:///etc/passwd",
    "/etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://user@169.254.169.254/x",
    "http://169.254.169.254:80/x",
    "http://2852039166/x",
    "http://0xa9fea9fe/x",
    "http://0251.0376.0251.0376/x",
    "http://169.254.43518/x",
    "http://[::ffff:169.254.169.254]/x",
    "http://[::ffff:a9fe:a9fe]/x",
    "http://[fe80::1]/x",
    "http://[fd00:ec2::254]/x",
    "http://metadata.google.internal/x",
    "http://metadata.google.internal./x",
    "http://100.100.100.200/x",
    "HTTP://169.254.170.2/x",
  ];
  for (const place of places) {
    await t.step(place, async () => {
      const { error, directory } = await download(has, { v: blob(place) });
      assert.match(
        error ?? "",
        /InputDownloadFailed: .*(must not name|are refused|metadata address|Cannot use)/,
      );
      assert.deepEqual([...Deno.readDirSync(directory)], []);
      Deno.removeSync(directory);
    });
    if (!place.startsWith("http:")) continue;
    await t.step(`a redirect to ${place}`, async () => {
      await using server = new Loopback(reply(302, { Location: place }), reply(302, { Location: place }));
      const { error, directory } = await download(has, { v: blob(`${server.url}/x`) });
      assert.match(
        error ?? "",
        /InputDownloadFailed: .*(must not name|are refused|metadata address|denied|Cannot)/,
      );
      assert.deepEqual([...Deno.readDirSync(directory)], []);
      Deno.removeSync(directory);
    });
  }
});

testWith("symlinks that are in the directory lead nowhere", ["binary", "versitygw"], async (has, t) => {
  const outside = Deno.makeTempDirSync({ prefix: "copilot-outside-" });
  Deno.writeTextFileSync(`${outside}/file`, "mine");
  const cases: Record<string, [string, string, RegExp | null]> = {
    "a file's name": ["file", `${outside}/file`, null],
    "a value's name": ["value", `${outside}/file`, null],
    "a directory's name": ["dir", outside, /a symlink has that name/],
    "the directory of unfinished files": [".copilot-tmp", outside, null],
    "a document's name": ["inputs.pb", `${outside}/file`, null],
  };
  for (const [name, [link, target, wanted]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const literals = { file: blob("data:file"), dir: tree("data:dir"), value: text("theirs") };
      const { error, directory } = await download(
        has,
        literals,
        (path) => Deno.symlinkSync(target, `${path}/${link}`),
      );
      if (wanted === null) assert.equal(error, null);
      else assert.match(error ?? "", wanted);
      assert.deepEqual([...Deno.readDirSync(outside)].map(({ name }) => name), ["file"]);
      assert.equal(Deno.readTextFileSync(`${outside}/file`), "mine");
      Deno.removeSync(directory, { recursive: true });
    });
  }
  Deno.removeSync(outside, { recursive: true });
});

testWith(
  "no secret is in what a run prints, whatever level it is asked for",
  ["binary"],
  async ({ binary }) => {
    const flags = storeFlags("http://127.0.0.1:9");
    for (const args of [["--storage.stow.config=secret_key"], ["--no-such-flag"], ["--timeout=x"]]) {
      const { stderr, stdout, code } = await runCopilot({
        binary,
        endpoint: "",
        args: ["download", ...flags, ...args],
        boundMs: 30_000,
        env: { AWS_SECRET_ACCESS_KEY: "a-secret-of-the-tests" },
      });
      assert.equal(code, 2);
      assert.doesNotMatch(stdout + stderr, /testsecret|a-secret-of-the-tests/);
    }
  },
);
