/**
 * The program by its command line, on the file store: `deno run main.ts …`. tests/e2e/ does the same on the executable and on
 * servers.
 */
import assert from "assert";
import { decode, decodeLiteralMap, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { ErrorKind, ErrorOrigin } from "../../src/flyte/types.ts";
import { STAGING_NAME } from "../../src/transfer/staging.ts";
import { randomBytes, type TemporaryDirectory, temporaryDirectory } from "../support/flows.ts";
import {
  blob,
  DIRECTORY,
  FILE,
  INTEGER,
  integer,
  list,
  listType,
  literalMap,
  outputs,
  text,
  tree,
} from "../support/plans.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** The program, started and not waited for. */
function start(
  args: readonly string[],
  env: Record<string, string> = {},
  stdin: "null" | "piped" = "null",
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", MAIN, ...args],
    env: { HOME: "/nonexistent", DENO_DIR: denoDir(), ...env },
    clearEnv: true,
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Where modules are kept, which the child must find although its environment is empty. */
function denoDir(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

interface Result {
  status: number;
  stdout: string;
  stderr: string;
  /** Events of standard error. */
  events: Record<string, unknown>[];
}

async function ended(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stderr);
  const events = text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  return { status: code, stdout: new TextDecoder().decode(stdout), stderr: text, events };
}

function run(...args: string[]): Promise<Result> {
  return ended(start(args));
}

function downloadFlags(dir: TemporaryDirectory): string[] {
  return [
    "download",
    `--from-remote=file://${dir.at("in/inputs.pb")}`,
    `--to-output-prefix=file://${dir.at("out")}`,
    `--to-local-dir=${dir.at("local")}`,
    "--format=JSON",
    "--storage.type=local",
  ];
}

function sidecarFlags(dir: TemporaryDirectory, types: Parameters<typeof outputs>[0]): string[] {
  return [
    "sidecar",
    `--to-raw-output=file://${dir.at("raw")}`,
    `--to-output-prefix=${dir.at("out")}`,
    `--from-local-dir=${dir.at("local")}`,
    "--start-watcher-type=noop",
    "--exit-watcher-type=noop",
    `--interface=${encode("TypedInterface", outputs(types)).toBase64()}`,
    "--storage.type=local",
  ];
}

function putInputs(dir: TemporaryDirectory, literals: Parameters<typeof literalMap>[0]): void {
  dir.write("in/inputs.pb", encodeLiteralMap(literalMap(literals)));
}

function errorOf(dir: TemporaryDirectory) {
  return decode("ErrorDocument", Deno.readFileSync(dir.at("out/error.pb"))).error!;
}

/** What is below a directory. */
function below(dir: TemporaryDirectory, name: string): Record<string, string | null> {
  const prefix = `${name}/`;
  return Object.fromEntries(
    Object.entries(dir.tree()).filter(([path]) => path.startsWith(prefix) && path !== prefix).map((
      [path, content],
    ) => [
      path.slice(prefix.length),
      content,
    ]),
  );
}

Deno.test("copilot download: files and documents, a first and a closing line, nothing on standard output", async () => {
  using dir = temporaryDirectory();
  dir.write("data/d/x", "X");
  dir.write("data/f.csv", "F");
  putInputs(dir, {
    n: integer(7),
    s: text("hi"),
    f: blob(`file://${dir.at("data/f.csv")}`),
    d: tree(dir.at("data/d")),
    l: list(integer(1), integer(2)),
  });
  const { status, stdout, stderr, events } = await run(...downloadFlags(dir));
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "");
  assert.deepEqual(events.map(({ msg }) => msg), ["downloading", "download finished"], stderr);
  assert.deepEqual([events[1]!.files, events[1]!.bytes, events[1]!.retries], [6, 2, 0]);
  const { ["inputs.pb"]: _, ["inputs.json"]: json, ...files } = below(dir, "local");
  assert.deepEqual(files, {
    "d/": null,
    "d/x": "X",
    f: "F",
    "l/": null,
    "l/0": "1",
    "l/1": "2",
    n: "7",
    s: "hi",
  });
  assert.deepEqual(JSON.parse(json!), {
    d: dir.at("local/d"),
    f: dir.at("local/f"),
    l: [1, 2],
    n: 7,
    s: "hi",
  });
  assert.deepEqual(below(dir, "out"), {});
});

for (const [flag, expected] of [[[], 0], [["--exit-on-error"], 1]] as const) {
  Deno.test(`copilot download ${flag}: a failure is told by error.pb, status ${expected}`, async () => {
    using dir = temporaryDirectory();
    putInputs(dir, { f: blob(`file://${dir.at("data/gone")}`) });
    const { status, stdout, events } = await run(...downloadFlags(dir), ...flag);
    assert.equal(status, expected);
    assert.equal(stdout, "");
    const { code, message, kind, origin } = errorOf(dir);
    assert.equal(code, "InputDownloadFailed");
    assert(message.includes("variable f") && message.includes(dir.at("data/gone")), message);
    assert.deepEqual([kind, origin], [ErrorKind.RECOVERABLE, ErrorOrigin.SYSTEM]);
    assert.deepEqual(below(dir, "local"), {});
    assert(events.some(({ level, code }) => level === "error" && code === "not-found"));
  });
}

for (const [flag, value] of [["format", "TOML"], ["file-input-layout", "FLAT"]] as const) {
  Deno.test(`copilot download --${flag}=${value}: the error document says what was expected, as the original's does`, async () => {
    using dir = temporaryDirectory();
    putInputs(dir, { n: integer(1) });
    const { status, stderr } = await run(...downloadFlags(dir), `--${flag}=${value}`);
    assert.equal(status, 0);
    const { message } = errorOf(dir);
    assert(message.includes(flag) && message.includes(value) && message.includes("expected"), message);
    assert(stderr.startsWith("{"), stderr);
  });
}

for (
  const args of [
    ["download"],
    ["download", "--no-such-flag"],
    ["no-such-command"],
    ["sidecar", "--timeout=soon"],
  ]
) {
  Deno.test(`copilot ${args.join(" ")}: status 2, a message, and nothing else`, async () => {
    const { status, stdout, stderr } = await run(...args);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^copilot: [A-Z].+\n$/);
  });
}

for (
  const [flag, said] of [
    ["--no-such-flag", /Unknown flag "--no-such-flag"/],
    ["--timeout=soon", /--timeout "soon"/],
    ["--config=/nonexistent/c.yaml", /\/nonexistent\/c\.yaml.*does not exist/],
  ] as const
) {
  for (const command of ["download", "sidecar"] as const) {
    Deno.test(`copilot ${command} ${flag}: status 2, and a document where that has a place`, async () => {
      using dir = temporaryDirectory();
      const { status, stdout, events } = await run(command, `--to-output-prefix=${dir.at("out")}`, flag);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(String(events[0]?.error), said);
      const { message, code, origin } = errorOf(dir);
      assert.match(message, said);
      assert.equal(code, command === "download" ? "InputDownloadFailed" : "OutputUploadFailed");
      assert.equal(origin, ErrorOrigin.SYSTEM);
    });
  }
}

Deno.test("copilot sidecar: outputs.pb and raw data", async () => {
  using dir = temporaryDirectory();
  dir.write("local/n", "7\n");
  dir.write("local/f.csv", "F");
  dir.write("local/d/x", "X");
  dir.write("local/l/0", "A");
  Deno.mkdirSync(dir.at("local/empty"));
  const types = { n: INTEGER, f: FILE, d: DIRECTORY, l: listType(FILE), empty: DIRECTORY };
  const { status, stdout, stderr, events } = await run(...sidecarFlags(dir, types));
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "");
  assert.equal(events.at(-1)!.msg, "upload finished");
  assert.deepEqual(below(dir, "raw"), {
    "d/": null,
    "d/x": "X",
    "empty/": null,
    f: "F",
    "l/": null,
    "l/0": "A",
  });
  const { literals } = decodeLiteralMap(Deno.readFileSync(dir.at("out/outputs.pb")));
  assert.deepEqual([...literals.keys()].sort(), ["d", "empty", "f", "l", "n"]);
});

Deno.test("copilot sidecar: a second try removes the error.pb of the first", async () => {
  using dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("local"));
  assert.equal((await run(...sidecarFlags(dir, { n: INTEGER }))).status, 0);
  assert(errorOf(dir).message.includes("variable n"));
  dir.write("local/n", "7");
  assert.equal((await run(...sidecarFlags(dir, { n: INTEGER }))).status, 0);
  assert.deepEqual(Object.keys(below(dir, "out")), ["outputs.pb"]);
});

Deno.test("copilot sidecar: _ERROR is told, and nothing is uploaded", async () => {
  using dir = temporaryDirectory();
  dir.write("local/f", "F");
  dir.write("local/_ERROR", JSON.stringify({ message: "bad rows", kind: "NON_RECOVERABLE" }));
  assert.equal((await run(...sidecarFlags(dir, { f: FILE }))).status, 0);
  const { message, kind, origin } = errorOf(dir);
  assert.deepEqual([message, kind, origin], [
    "User Error: bad rows",
    ErrorKind.NON_RECOVERABLE,
    ErrorOrigin.USER,
  ]);
  assert.deepEqual(below(dir, "raw"), {});
});

Deno.test("copilot: what a download laid out goes up again as it was", async () => {
  using dir = temporaryDirectory();
  const big = randomBytes(3 * 1024 * 1024);
  dir.write("data/d/a b/%41", "odd");
  dir.write("data/d/big", big);
  putInputs(dir, { d: tree(dir.at("data/d")), l: list(blob(dir.at("data/d/big"))) });
  assert.equal((await run(...downloadFlags(dir), "--exit-on-error")).status, 0);
  const { status, stderr } = await run(
    ...sidecarFlags(dir, { d: DIRECTORY, l: listType(FILE) }),
    "--exit-on-error",
  );
  assert.equal(status, 0, stderr);
  assert.equal(Deno.readTextFileSync(dir.at("raw/d/a b/%41")), "odd");
  assert.deepEqual(Deno.readFileSync(dir.at("raw/l/0")), big);
});

Deno.test("copilot inspect: a document by its path, its directory, standard input and base64", async () => {
  using dir = temporaryDirectory();
  dir.write("local/n", "7");
  dir.write("local/f", "12345");
  await run(...sidecarFlags(dir, { n: INTEGER, f: FILE }));
  const path = dir.at("out/outputs.pb");
  const json = await run("inspect", path, "--output=json", "--sizes");
  assert.equal(json.status, 0, json.stderr);
  const { kind, literals, sizes } = JSON.parse(json.stdout);
  assert.equal(kind, "literals");
  assert.equal(literals.n.scalar.primitive.integer, "7");
  assert.deepEqual(sizes, { [`file://${dir.at("raw/f")}`]: { objects: 1, bytes: 5 } });
  const table = (await run("inspect", path)).stdout;
  assert.match(table, /^OUTPUT +TYPE +VALUE\nf .*\nn +integer +7\n$/);
  assert.equal((await run("inspect", dir.at("out"))).stdout, `outputs.pb\n${table}`);
  const bytes = Deno.readFileSync(path);
  const rowsOf = (text: string) => text.split("\n").slice(1).map((row) => row.split(/ +/));
  assert.deepEqual(rowsOf((await run("inspect", bytes.toBase64())).stdout), rowsOf(table));
  const child = start(["inspect", "-"], {}, "piped");
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  assert.deepEqual(rowsOf((await ended(child)).stdout), rowsOf(table));
});

Deno.test("copilot inspect --diff: status 1 and a line for each difference, 0 for none", async () => {
  using dir = temporaryDirectory();
  for (const [name, value] of [["a", 1], ["b", 2]] as const) {
    dir.write(`${name}/outputs.pb`, encodeLiteralMap(literalMap({ n: integer(value) })));
  }
  const same = await run("inspect", "--diff", dir.at("a/outputs.pb"), dir.at("a"));
  assert.deepEqual([same.status, same.stdout, same.stderr], [0, "", ""]);
  const other = await run("inspect", "--diff", dir.at("a"), dir.at("b"));
  assert.equal(other.status, 1);
  assert.match(other.stdout, /literals\.n\.scalar\.primitive\.integer +"1" +"2"/);
});

Deno.test("copilot inspect: strangers' bytes are taken apart where the program may do nothing", async () => {
  using dir = temporaryDirectory();
  dir.write(
    "data/inputs.pb",
    encodeLiteralMap(literalMap({ f: blob("http://169.254.169.254/latest"), n: integer(1) })),
  );
  const { status, stderr } = await run("inspect", dir.at("data/inputs.pb"), "--sizes");
  assert.equal(status, 1);
  assert.match(stderr, /link-local or metadata address/);
});

Deno.test("copilot interface: words to base64 and back", async () => {
  const { status, stdout } = await run("interface", "rows:int", "sorted:file", "tags:list[str]");
  assert.equal(status, 0);
  assert.equal((await run("interface", stdout.trim())).stdout, "rows:int sorted:file tags:list[str]\n");
  const refused = await run("interface", "rows:itn");
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /^copilot: Cannot use "rows:itn": expected a type, one of int/);
});

Deno.test("copilot version and help: on standard output, status 0", async () => {
  for (const args of [["version"], ["help"], ["help", "download"], ["sidecar", "--help"]]) {
    const { status, stdout, stderr } = await run(...args);
    assert.equal(status, 0, stderr);
    assert(stdout.length > 20);
    assert.equal(stderr, "");
  }
});

Deno.test("copilot: secrets of flags and environment are in no line and not in error.pb", async () => {
  using dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("local"));
  dir.write("local/_ERROR", "keys: flag-secret-1 and env-secret-2");
  const child = start([
    ...sidecarFlags(dir, {}),
    "--storage.stow.config=secret_key=flag-secret-1",
    "--storage.type=stow",
    "--logger.level=6",
  ], { AWS_SECRET_ACCESS_KEY: "env-secret-2\n" });
  const { stdout, stderr } = await ended(child);
  assert.equal(errorOf(dir).message, "User Error: keys: *** and ***");
  for (const shown of [stdout, stderr]) assert(!/flag-secret-1|env-secret-2/.test(shown), shown);
});

/** A server that sends so many bytes of an announced 1,000, then waits; resolves `asked` with the first request. */
function stallingServer(bytes: number): { port: number; asked: Promise<void>; close(): Promise<void> } {
  const asked = Promise.withResolvers<void>();
  const bodies: ReadableStreamDefaultController[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    const body = new ReadableStream({
      start(controller) {
        bodies.push(controller);
        if (bytes > 0) controller.enqueue(new Uint8Array(bytes).fill(120));
        asked.resolve();
      },
    });
    return new Response(body, { headers: { "content-length": "1000" } });
  });
  return {
    port: server.addr.port,
    asked: asked.promise,
    async close() {
      for (const body of bodies) {
        try {
          body.close();
        } catch { /* the client has gone */ }
      }
      await server.shutdown();
    },
  };
}

/** Waits until something is there: a look every 10 ms, for as long as the test may take. */
async function until(there: () => boolean): Promise<void> {
  while (!there()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What files hold that have not got their names yet. */
function unfinished(dir: TemporaryDirectory): string[] {
  const entries = Object.entries(dir.tree());
  return entries.flatMap(([name, text]) =>
    name.startsWith(`local/${STAGING_NAME}/`) && text !== null ? [text] : []
  );
}

Deno.test("copilot download: SIGTERM ends it with status 1, without error.pb and unfinished files", async () => {
  using dir = temporaryDirectory();
  const server = stallingServer(500);
  putInputs(dir, { f: blob(`http://127.0.0.1:${server.port}/f`) });
  const child = start(downloadFlags(dir));
  await server.asked;
  await until(() => unfinished(dir).some((text) => text.length === 500));
  child.kill("SIGTERM");
  const { status, events } = await ended(child);
  assert.equal(status, 1);
  assert(events.some(({ code }) => code === "aborted"));
  assert.deepEqual(below(dir, "local"), {});
  assert.deepEqual(below(dir, "out"), {});
  await server.close();
});

Deno.test("copilot download: killed in the middle it leaves no half file under its name, and a rerun completes", async () => {
  using dir = temporaryDirectory();
  const server = stallingServer(500);
  putInputs(dir, { f: blob(`http://127.0.0.1:${server.port}/f`) });
  const child = start(downloadFlags(dir));
  await until(() => unfinished(dir).some((text) => text.length === 500));
  child.kill("SIGKILL");
  await ended(child);
  assert(Object.keys(below(dir, "local")).every((name) => name.startsWith(`${STAGING_NAME}/`)));
  await server.close();
  dir.write("data/f", "whole");
  putInputs(dir, { f: blob(dir.at("data/f")) });
  const { status, stderr } = await run(...downloadFlags(dir), "--exit-on-error");
  assert.equal(status, 0, stderr);
  const { f, ...rest } = below(dir, "local");
  assert.equal(f, "whole");
  assert.deepEqual(Object.keys(rest), ["inputs.json", "inputs.pb"]);
});

Deno.test("copilot download --timeout: the deadline is told by error.pb", async () => {
  using dir = temporaryDirectory();
  const server = stallingServer(0);
  putInputs(dir, { f: blob(`http://127.0.0.1:${server.port}/f`) });
  const { status } = await run(...downloadFlags(dir), "--timeout=1s");
  assert.equal(status, 0);
  assert(errorOf(dir).message.includes("Download not finished within 1 s"), errorOf(dir).message);
  await server.close();
});

Deno.test("copilot sidecar --exit-watcher-type=signal: uploads what is there when SIGTERM comes", async () => {
  using dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("local"));
  const child = start([
    ...sidecarFlags(dir, { n: INTEGER }),
    "--exit-watcher-type=signal",
    "--exit-after-upload=true",
    "--logger.level=4",
  ]);
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  assert(first.value?.includes("waiting for the main container"), first.value);
  dir.write("local/n", "7");
  child.kill("SIGTERM");
  let rest = "";
  for (let chunk; !(chunk = await reader.read()).done;) rest += chunk.value;
  await child.stdout.cancel();
  assert.equal((await child.status).code, 0, rest);
  assert.deepEqual(Object.keys(below(dir, "out")), ["outputs.pb"], rest);
});

Deno.test("copilot sidecar: Ctrl-C ends the wait at once with status 130, and nothing is uploaded", async () => {
  using dir = temporaryDirectory();
  dir.write("local/n", "7");
  const child = start([...sidecarFlags(dir, { n: INTEGER }), "--exit-watcher-type=signal"]);
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let told = (await reader.read()).value ?? "";
  child.kill("SIGINT");
  for (let chunk; !(chunk = await reader.read()).done;) told += chunk.value;
  await child.stdout.cancel();
  assert.equal((await child.status).code, 130, told);
  assert.match(told, /interrupted while waiting for the main container: nothing is uploaded/);
  assert.deepEqual(below(dir, "out"), {});
});
