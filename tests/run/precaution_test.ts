/** The error document that stands beside a long upload, and is gone once that has succeeded. */
import assert from "assert";
import type { SidecarCommand } from "../../src/cli/mod.ts";
import { CopilotError } from "../../src/errors.ts";
import { decode, encode } from "../../src/flyte/codec/idl.ts";
import type { RunContext } from "../../src/run/context.ts";
import { run } from "../../src/run/mod.ts";
import { backend } from "../../src/storage/backends/memory/mod.ts";
import type { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import { FakeClock, settle } from "../support/fakes.ts";
import {
  bytesOf,
  memoryConfig,
  MIB,
  objectsIn,
  recordingLog,
  sidecarCommand,
  signal,
  temporaryDirectory,
} from "../support/flows.ts";
import { FILE, outputs } from "../support/plans.ts";

const FILE_OUTPUT = encode("TypedInterface", outputs({ f: FILE }));

async function scene(change: Partial<SidecarCommand>, context: Partial<RunContext> = {}) {
  const dir = temporaryDirectory();
  dir.write("f", "x".repeat(1000));
  const clock = new FakeClock();
  const system = { ...sys, clock };
  const world = { system, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };
  const store = await backend.open(parseUri("mem://b/x", ""), memoryConfig().primary, world) as MemoryStore;
  const log = recordingLog();
  /** The replies to raw data are held up until this resolves. */
  const gate = Promise.withResolvers<void>();
  const put = store.put.bind(store);
  const requests: string[] = [];
  store.put = async (key, source, options) => {
    requests.push(`PUT ${key}`);
    const stored = await put(key, source, options);
    if (!key.startsWith("raw/")) return stored;
    const aborted = new Promise<never>((_, reject) =>
      options?.signal?.addEventListener("abort", () => reject(new CopilotError("aborted", "cancelled")))
    );
    await Promise.race([gate.promise, aborted]);
    return stored;
  };
  const command = sidecarCommand(dir.path, { interface: FILE_OUTPUT, ...change });
  const status = run(command, {
    system,
    log,
    mask: (text) => text,
    env: {},
    caCerts: [],
    memoryLimitBytes: 128 * MIB,
    documentLimitBytes: 128 * MIB,
    signal,
    killImminent: signal,
    spentMs: 0,
    view: { columns: () => null, isPod: false },
    print() {},
    allow: () => Promise.resolve(),
    ...context,
  });
  const names = async () => Object.keys(await objectsIn(store));
  const message = async () =>
    decode("ErrorDocument", await bytesOf(store, "out/error.pb")).error?.message ?? "";
  /** Time passes, and what it wakes has its turn. */
  const pass = async (ms: number) => {
    await clock.advance(ms);
    for (let turn = 0; turn < 20; turn++) await settle();
  };
  return { dir, clock, store, log, gate, requests, status, names, message, pass };
}

Deno.test("precaution: where threads had run out the document is there before anything else can go wrong", async () => {
  const { dir, gate, status, names, pass } = await scene({}, { isShortOfThreads: true });
  using _ = dir;
  await pass(1);
  assert((await names()).includes("out/error.pb"));
  gate.resolve();
  await pass(100);
  assert.equal(await status, 0);
  assert.deepEqual((await names()).filter((name) => name.startsWith("out/")), ["out/outputs.pb"]);
});

Deno.test("precaution: an upload of a few seconds has no document beside it, before and after", async () => {
  const { dir, gate, status, names, requests, pass } = await scene({});
  using _ = dir;
  await pass(2900);
  gate.resolve();
  assert.equal(await status, 0);
  await pass(60_000);
  assert.deepEqual(await names(), ["out/outputs.pb", "raw/f"]);
  assert.deepEqual(requests, ["PUT raw/f", "PUT out/outputs.pb"]);
});

Deno.test("precaution: a longer one has, and it is gone before outputs.pb is there", async () => {
  const { dir, store, gate, status, names, message, pass } = await scene({});
  using _ = dir;
  await pass(3100);
  assert.match(
    await message(),
    /The upload was cut off: .*0 files whole and 0\.0 MiB of 0\.0 MiB sent in 3 s/,
  );
  let both = false;
  const put = store.put;
  store.put = async (key, source, options) => {
    both ||= key === "out/outputs.pb" && (await names()).includes("out/error.pb");
    return await put(key, source, options);
  };
  gate.resolve();
  assert.equal(await status, 0);
  await pass(60_000);
  assert.equal(both, false);
  assert.deepEqual(await names(), ["out/outputs.pb", "raw/f"]);
});

for (
  const [what, change, context, graceSeconds] of [
    ["--timeout, as the plugin sets it", { timeoutMs: 40_000 }, {}, 40],
    ["--grace", { timeoutMs: 3600_000, graceMs: 20_000 }, { graceMs: 99_000 }, 20],
    ["kube-api", { timeoutMs: 3600_000 }, { graceMs: 30_000 }, 30],
  ] as const
) {
  Deno.test(`precaution: before the grace of ${what} is over the document has figures and says what would do`, async () => {
    const { dir, gate, status, message, names, pass } = await scene(change, context);
    using _ = dir;
    await pass((graceSeconds - 5) * 1000);
    assert.doesNotMatch(await message(), /within the grace/);
    await pass(4000);
    const grace = new RegExp(
      `could not be uploaded within the grace of ${graceSeconds} s .*, expected a grace of \\d+ s`,
    );
    assert.match(await message(), grace);
    gate.resolve();
    assert.equal(await status, 0);
    assert.deepEqual(await names(), ["out/outputs.pb", "raw/f"]);
  });
}

Deno.test("precaution: an upload that fails is told by its own document, which the precaution does not replace", async () => {
  const { dir, gate, status, names, message, pass } = await scene({ timeoutMs: 40_000 });
  using _ = dir;
  await pass(5000);
  gate.reject(new CopilotError("denied", "Cannot store: refused"));
  await pass(100);
  assert.equal(await status, 0);
  await pass(60_000);
  assert.match(await message(), /refused/);
  assert.deepEqual(await names(), ["out/error.pb", "raw/f"]);
});

Deno.test("precaution: none is written where it could not be taken back, which is said", async () => {
  const { dir, store, gate, status, names, log, pass } = await scene({});
  using _ = dir;
  store.delete = () => Promise.reject(new CopilotError("denied", "Cannot delete: refused"));
  await pass(10_000);
  assert.deepEqual(await names(), ["raw/f"]);
  gate.resolve();
  assert.equal(await status, 0);
  assert.deepEqual(await names(), ["out/outputs.pb", "raw/f"]);
  assert(
    log.events.some(({ message }) => message.startsWith("cannot write an error document as a precaution")),
  );
});

Deno.test("precaution: a process that is about to be killed has its document at once, a task without outputs keeps none", async () => {
  const kill = new AbortController();
  kill.abort();
  const { dir, status, names, pass } = await scene({ interface: undefined }, { killImminent: kill.signal });
  using _ = dir;
  await pass(10);
  assert.equal(await status, 0);
  assert.deepEqual(await names(), []);
});
