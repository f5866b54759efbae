/** `--dry-run`: the plan with sizes and places, and nothing moved. */
import assert from "assert";
import { encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { RunCommand, RunContext } from "../../src/run/context.ts";
import { run } from "../../src/run/mod.ts";
import { backend } from "../../src/storage/backends/memory/mod.ts";
import type { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import {
  downloadCommand,
  memoryConfig,
  MIB,
  putAll,
  recordingLog,
  sidecarCommand,
  signal,
  temporaryDirectory,
} from "../support/flows.ts";
import {
  blob,
  dataset,
  DIRECTORY,
  FILE,
  INTEGER,
  integer,
  literalMap,
  outputs,
  tree,
} from "../support/plans.ts";

interface Shown {
  status: number;
  lines: string[];
  log: ReturnType<typeof recordingLog>;
}

async function show(command: RunCommand, objects: Record<string, string | Uint8Array> = {}): Promise<Shown> {
  const world = { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };
  const store = await backend.open(parseUri("mem://b/x", ""), memoryConfig().primary, world) as MemoryStore;
  await putAll(store, objects);
  const log = recordingLog();
  let text = "";
  const context: RunContext = {
    system: sys,
    log,
    view: { columns: () => null, isPod: false },
    print: (more) => text += more,
    mask: (text) => text,
    env: {},
    caCerts: [],
    memoryLimitBytes: 128 * MIB,
    documentLimitBytes: 128 * MIB,
    signal,
    killImminent: signal,
    spentMs: 0,
    allow: () => Promise.resolve(),
  };
  const before = await keys(store);
  const status = await run(command, context);
  assert.deepEqual(await keys(store), before, "nothing has changed in the store");
  return { status, lines: text.split("\n").slice(0, -1), log };
}

async function keys(store: MemoryStore): Promise<string[]> {
  return (await store.list("", { signal })).objects.map(({ key, etag }) => `${key} ${etag}`);
}

Deno.test("download --dry-run: every file with its size, source and target; nothing is written anywhere", async () => {
  using dir = temporaryDirectory();
  const map = literalMap({
    n: integer(7),
    f: blob("mem://b/data/f.csv"),
    d: tree("mem://b/data/d"),
    e: tree("mem://b/none"),
    s: dataset("mem://b/data/f.csv"),
    p: blob("mem://b/data/q%20r#1"),
  });
  const { status, lines } = await show(downloadCommand(dir.at("in"), { dryRun: true }), {
    "in/inputs.pb": encodeLiteralMap(map),
    "out/error.pb": "an earlier failure",
    "data/f.csv": "x".repeat(2048),
    "data/d/a/b": "12345",
    "data/d/a": "",
    "data/d/empty": "",
    "data/q r": "1234567",
  });
  assert.equal(status, 0);
  const text = lines.join("\n");
  assert(text.includes(`2.0 KiB  mem://b/data/f.csv -> ${dir.at("in/f")}`), text);
  assert(text.includes(`5 B  mem://b/data/d/a/b -> ${dir.at("in/d/a/b")}`), text);
  assert(!text.includes(`${dir.at("in/d/a")}\n`), text);
  assert(text.includes(`0 B  mem://b/data/d/empty -> ${dir.at("in/d/empty")}`), text);
  assert(text.includes(`2.0 KiB  mem://b/data/f.csv -> ${dir.at("in/s/f.csv")}`), text);
  assert(text.includes(`-> ${dir.at("in/p")}`), text);
  assert(text.includes(`1 B  variable n -> ${dir.at("in/n")}`), text);
  assert(text.includes(`mem://b/none -> ${dir.at("in/e")}, an empty directory`), text);
  assert(text.includes(`the inputs -> ${dir.at("in/inputs.json")}`), text);
  assert.match(lines.at(-1)!, /^Dry run: 8 files, 4\.\d KiB would be downloaded, nothing was$/);
  assert.deepEqual(dir.tree(), {});
});

Deno.test("download --dry-run: what would fail, fails, without an error document", async () => {
  using dir = temporaryDirectory();
  const map = literalMap({ f: blob("mem://b/gone") });
  const { status, log } = await show(downloadCommand(dir.at("in"), { dryRun: true }), {
    "in/inputs.pb": encodeLiteralMap(map),
  });
  assert.equal(status, 1);
  assert(
    log.events.some(({ message, fields }) =>
      message === "the plan cannot be made" && String(fields?.["error"]).includes("mem://b/gone")
    ),
  );
});

Deno.test("sidecar --dry-run: every file with its size and place; nothing goes up", async () => {
  using dir = temporaryDirectory();
  dir.write("o/n", "7");
  dir.write("o/f", "x".repeat(100));
  dir.write("o/d/a/b", "12345");
  const typed = encode("TypedInterface", outputs({ n: INTEGER, f: FILE, d: DIRECTORY }));
  const { status, lines } = await show(
    sidecarCommand(dir.at("o"), { dryRun: true, interface: typed }),
  );
  assert.equal(status, 0);
  const text = lines.join("\n");
  assert(text.includes(`100 B  ${dir.at("o/f")} -> mem://b/raw/f`), text);
  assert(text.includes(`5 B  ${dir.at("o/d/a/b")} -> mem://b/raw/d/a/b`), text);
  assert(text.includes("3 outputs -> mem://b/out/outputs.pb"), text);
  assert.match(lines.at(-1)!, /^Dry run: 2 files, 105 B would be uploaded, nothing was$/);
});

Deno.test("sidecar --dry-run: a missing output fails; an _ERROR is shown", async () => {
  using dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("o"));
  const command = sidecarCommand(dir.at("o"), {
    dryRun: true,
    interface: encode("TypedInterface", outputs({ n: INTEGER })),
  });
  assert.equal((await show(command)).status, 1);
  dir.write("o/_ERROR", "bad rows");
  const { status, lines } = await show(command);
  assert.equal(status, 0);
  assert.match(lines.join("\n"), /The task has failed: User Error: bad rows; nothing would be uploaded/);
});
