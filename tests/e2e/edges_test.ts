/**
 * What is at the edge of what inputs and directories can be, on the compiled binary: documents that are deep, many or long,
 * names that no resolver knows, files that vanish or may not be read, a directory that is swapped while it is written to.
 * @module
 */
import assert from "assert";
import { encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal } from "../../src/flyte/types.ts";
import { Bucket } from "../faults/bucket.ts";
import { type Outcome, runCopilot } from "../faults/copilot.ts";
import { decodeErrorText } from "../faults/documents.ts";
import { type Asked, type Fault, isGet, type Plan } from "../faults/fault.ts";
import { FaultProxy } from "../faults/proxy.ts";
import { blob, FILE, integer, literalMap, map, outputs, text, tree } from "../support/plans.ts";
import { testWith } from "./harness.ts";

const MIB = 1024 * 1024;
/**
 * The 128 MiB that Flyte gives a copilot container, and 8 of the 50 in a peak that are pages of the executable, which the
 * kernel takes back before it ends a process for want of memory.
 */
const LIMIT_BYTES = 136 * MIB;
const NOBODY = 65534;
const NEEDS = ["binary", "versitygw"] as const;
type Has = Record<(typeof NEEDS)[number], string>;

let scenes = 0;

interface Scene extends AsyncDisposable {
  bucket: Bucket;
  /** What all keys begin with. */
  id: string;
  root: string;
  directory: string;
  /** Downloads the object `in`, or uploads outputs that are files. */
  download(options?: RunChange): Promise<Outcome>;
  upload(names: readonly string[], options?: RunChange): Promise<Outcome>;
  error(): Promise<string | null>;
}

interface RunChange {
  args?: string[];
  plan?: Plan;
  binary?: string;
  uid?: number;
}

/** A place in the store and an empty directory. */
async function scene(has: Has): Promise<Scene> {
  const bucket = await Bucket.open(has.versitygw, "edges");
  const id = `e${Deno.pid}-${++scenes}`;
  const root = `s3://${bucket.name}/${id}`;
  const directory = Deno.makeTempDirSync({ prefix: "copilot-edges-" });
  const run = async (args: string[], { plan, binary = has.binary, uid, ...change }: RunChange) => {
    await using proxy = new FaultProxy(has.versitygw, plan);
    const outcome = await runCopilot({
      binary,
      endpoint: proxy.url,
      args: [...args, `--to-output-prefix=${root}/out`, "--memory-limit=128Mi", ...change.args ?? []],
      boundMs: 300_000,
      ...(uid === undefined ? {} : { uid }),
    });
    assert.equal(outcome.hung, false, outcome.stderr);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome;
  };
  return {
    bucket,
    id,
    root,
    directory,
    download: (options = {}) =>
      run(["download", `--from-remote=${root}/in`, `--to-local-dir=${directory}`], options),
    upload: (names, options = {}) => {
      const types = Object.fromEntries(names.map((name) => [name, FILE]));
      const interfaceFlag = `--interface=${encode("TypedInterface", outputs(types)).toBase64()}`;
      const watchers = ["--start-watcher-type=noop", "--exit-watcher-type=noop"];
      const places = [`--from-local-dir=${directory}`, `--to-raw-output=${root}/raw`];
      return run(["sidecar", ...places, ...watchers, interfaceFlag], options);
    },
    error: async () => decodeErrorText(await bucket.get(`${id}/out/error.pb`)),
    async [Symbol.asyncDispose]() {
      await bucket.clear(`${id}/`);
      bucket.close();
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

/** Bytes of a LiteralMap whose one variable is a list in a list in a list, `levels` times. */
function nestedInputs(levels: number): Uint8Array {
  const wrapped = (tag: number, bytes: number[]): number[] => {
    const length: number[] = [];
    for (let rest = bytes.length; rest > 0 || length.length === 0; rest >>>= 7) {
      length.push(rest > 127 ? rest & 127 | 128 : rest);
    }
    return [tag, ...length, ...bytes];
  };
  let literal = [0x0a, 0x04, 0x0a, 0x02, 0x08, 0x05];
  for (let level = 0; level < levels; level++) literal = wrapped(0x12, wrapped(0x0a, literal));
  return Uint8Array.from(wrapped(0x0a, [0x0a, 1, 0x76, ...wrapped(0x12, literal)]));
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => integer(index));
/** A list of so many numbers; more than can be arguments. */
const listOf = (count: number, literal = integer): Literal => ({
  value: {
    case: "collection",
    value: { literals: Array.from({ length: count }, (_, index) => literal(index)) },
  },
  hash: "",
  metadata: new Map(),
});
const named = (values: Literal[]) => Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
const inputs = (value: Literal) => encodeLiteralMap(literalMap({ v: value }));

/** Documents, further flags, and what is told; null for those that are taken. */
const DOCUMENTS: Record<string, [() => Uint8Array, string[], RegExp | null]> = {
  "10,000 levels": [() => nestedInputs(10_000), [], /nested deeper than 640 messages/],
  "a million numbers": [
    () => inputs(listOf(1_000_000)),
    ["--storage.limits.maxDownloadMBs=0"],
    /(\d+ MiB are taken by values|larger than \d+ bytes).*--memory-limit/,
  ],
  "250,000 numbers": [
    () => inputs(listOf(250_000)),
    ["--storage.limits.maxDownloadMBs=0"],
    /60 MiB are taken by values.*room for \d+ MiB; --memory-limit/,
  ],
  "a list of 100,000 numbers": [() => inputs(listOf(100_000)), [], null],
  "100,000 numbers in a map, as YAML": [
    () => inputs(map(named(numbers(100_000)))),
    ["--format=YAML"],
    null,
  ],
  "as many other values as there is room for": [
    () => inputs(listOf(66_000, (index) => ({ ...integer(index), hash: "h" }))),
    [],
    null,
  ],
  "a text of 50 MB": [
    () => inputs(text("x".repeat(50_000_000))),
    [],
    /larger than 2097152 bytes.*maxDownloadMBs/,
  ],
  "a text of 50 MB, without a bound for documents": [
    () => inputs(text("x".repeat(50_000_000))),
    ["--storage.limits.maxDownloadMBs=0"],
    /larger than \d+ bytes.*--memory-limit/,
  ],
  "a text as long as a document may be": [() => inputs(text("x".repeat(2 * MIB - 100))), [], null],
};

testWith(
  "documents that are deep, many or long are taken in 128 MiB, or refused with what to raise",
  NEEDS,
  async (has, t) => {
    for (const [name, [bytes, args, wanted]] of Object.entries(DOCUMENTS)) {
      await t.step(name, async () => {
        await using place = await scene(has);
        await place.bucket.put(`${place.id}/in`, bytes());
        const { stderr, peakBytes } = await place.download({ args });
        const error = await place.error();
        if (wanted === null) assert.equal(error, null, stderr);
        else assert.match(error ?? "no error.pb", wanted);
        assert(peakBytes > 0 && peakBytes < LIMIT_BYTES, `${peakBytes} bytes at the peak`);
        if (wanted !== null) assert.deepEqual([...Deno.readDirSync(place.directory)], []);
      });
    }
  },
);

testWith(
  "an input whose host no resolver knows: told with the variable, the host and the attempts",
  NEEDS,
  async (has) => {
    await using place = await scene(has);
    await place.bucket.put(`${place.id}/in`, inputs(blob("http://store.invalid/x")));
    await place.download({ args: ["--timeout=15s"] });
    const wanted = /variable v.*store\.invalid\/x" after \d+ attempts?, with no time left for another/;
    assert.match(await place.error() ?? "no error.pb", wanted);
  },
);

/** A plan under which something happens just before the first request that a test likes is answered. */
function once(matches: (asked: Asked) => boolean, act: () => void): Plan {
  let done = false;
  const fault: Fault = {
    kind: "meanwhile",
    act: async () => {
      if (!done) act();
      done = await Promise.resolve(true);
    },
  };
  return (asked) => matches(asked) ? fault : null;
}

testWith("a file that vanishes while it is uploaded", NEEDS, async (has, t) => {
  const isRaw = ({ method, target }: Asked) => method === "PUT" && target.includes("/raw/");
  await t.step("before its turn: told by variable and path, and there is no outputs.pb", async () => {
    await using place = await scene(has);
    for (const name of ["a", "b", "c"]) Deno.writeTextFileSync(`${place.directory}/${name}`, name);
    const remove = once(isRaw, () => Deno.removeSync(`${place.directory}/c`));
    // So little memory that two go up at a time.
    await place.upload(["a", "b", "c"], { plan: remove, args: ["--memory-limit=64Mi"] });
    assert.match(await place.error() ?? "no error.pb", /variable c.*\/c": .*No such file/);
    assert.equal(await place.bucket.get(`${place.id}/out/outputs.pb`), null);
  });
  await t.step("when it is open already: it goes up whole", async () => {
    await using place = await scene(has);
    const bytes = new Uint8Array(4 * MIB).fill(7);
    Deno.writeFileSync(`${place.directory}/a`, bytes);
    await place.upload(["a"], { plan: once(isRaw, () => Deno.removeSync(`${place.directory}/a`)) });
    assert.equal(await place.error(), null);
    assert.deepEqual(await place.bucket.get(`${place.id}/raw/a`), bytes);
  });
});

testWith(
  "a directory that is swapped for a symlink while it is written to leads nowhere",
  NEEDS,
  async (has) => {
    await using place = await scene(has);
    const outside = Deno.makeTempDirSync({ prefix: "copilot-outside-" });
    for (const key of ["a", "b"]) await place.bucket.put(`${place.id}/data/${key}`, new Uint8Array(9));
    await place.bucket.put(`${place.id}/in`, inputs(tree(`${place.root}/data`)));
    const swap = once(isGet("/data/a"), () => {
      Deno.removeSync(`${place.directory}/v`, { recursive: true });
      Deno.symlinkSync(outside, `${place.directory}/v`);
    });
    await place.download({ plan: swap });
    assert.match(await place.error() ?? "no error.pb", /variable v.*outside/);
    assert.deepEqual([...Deno.readDirSync(outside)], []);
    assert.deepEqual([...Deno.readDirSync(place.directory)].map(({ name }) => name), ["v"]);
    Deno.removeSync(outside);
  },
);

testWith(
  "permission bits are told by path, to a user who is not root",
  [...NEEDS, "mounts"],
  async (has, t) => {
    const home = Deno.makeTempDirSync({ prefix: "copilot-nobody-" });
    const binary = `${home}/copilot`;
    Deno.copyFileSync(has.binary, binary);
    Deno.chmodSync(home, 0o755);
    await t.step("a file that may not be read", async () => {
      await using place = await scene(has);
      Deno.chmodSync(place.directory, 0o755);
      Deno.writeTextFileSync(`${place.directory}/a`, "mine");
      Deno.chmodSync(`${place.directory}/a`, 0o600);
      await place.upload(["a"], { binary, uid: NOBODY });
      assert.match(await place.error() ?? "no error.pb", /variable a.*\/a": .*Permission denied/);
    });
    await t.step("a directory that may not be written to", async () => {
      await using place = await scene(has);
      Deno.chmodSync(place.directory, 0o555);
      await place.bucket.put(`${place.id}/in`, inputs(integer(1)));
      await place.download({ binary, uid: NOBODY });
      assert.match(
        await place.error() ?? "no error.pb",
        new RegExp(`${place.directory}.*Permission denied`),
      );
    });
    Deno.removeSync(home, { recursive: true });
  },
);
