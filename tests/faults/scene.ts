/**
 * A task's data in a store and a directory, made of a seed, and the invariants that no fault may break.
 * @module
 */
import { decodeErrorText } from "./documents.ts";
import { encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal } from "../../src/flyte/types.ts";
import * as make from "../support/plans.ts";
import type { Bucket } from "./bucket.ts";
import type { Random } from "./random.ts";

const MIB = 1024 * 1024;
const encoder = new TextEncoder();

/** How much data a scene has. */
export interface SceneOptions {
  bucket: Bucket;
  /** Names the scene's keys. */
  id: string;
  random: Random;
  /** An existing, empty directory of the scene's own. */
  directory: string;
  /** Bytes of one large file besides the small ones; 0 for none. */
  largeBytes: number;
}

/** A scene: what to run, and how to judge what came of it. */
export interface Scene {
  /** Command and flags, without those of the store. */
  args(timeoutMs: number): string[];
  /** What contradicts the promises; a success must be whole. */
  violations(): Promise<string[]>;
  /** Whether the run has declared success, by the document that only a success writes. */
  succeeded(): Promise<boolean>;
  /** What error.pb says; null where there is none. */
  error(): Promise<string | null>;
  /** What must be gone after a run that was not killed: unfinished files, uploads that are open. */
  leftovers(): Promise<string[]>;
  /** Removes the scene. */
  clear(): Promise<void>;
}

/** Random file contents: large ones are cut out of one block, which is quicker than making them. */
function contents({ random, largeBytes }: SceneOptions): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = { file: random.bytes(random.below(200_000)) };
  for (let index = random.below(8); index > 0; index--) {
    const size = random.chance(0.1) ? 0 : random.chance(0.2) ? random.below(2 * MIB) : random.below(30_000);
    files[`dir/${random.chance(0.3) ? "sub dir/" : ""}${index}`] = random.bytes(size);
  }
  files["dir/last"] = random.bytes(10);
  if (largeBytes > 0) files.large = block(random, largeBytes);
  return files;
}

/** Bytes that differ from place to place. */
function block(random: Random, bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  const piece = random.bytes(MIB + 13);
  for (let at = 0; at < bytes; at += piece.length) {
    piece[0] = at / piece.length;
    all.set(piece.subarray(0, Math.min(piece.length, bytes - at)), at);
  }
  return all;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const [x, y] = [a, b].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  let at = 0;
  for (; at + 4 <= a.length; at += 4) if (x!.getInt32(at) !== y!.getInt32(at)) return false;
  for (; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function literals(
  files: Record<string, Uint8Array>,
  place: (name: string) => string,
): Record<string, Literal> {
  return {
    number: make.primitive({ case: "integer", value: 9007199254740993n }),
    text: make.text("a\nb"),
    file: make.blob(place("file")),
    dir: make.tree(place("dir")),
    ...(files.large === undefined ? {} : { large: make.blob(place("large")) }),
  };
}

const VALUES = { number: encoder.encode("9007199254740993"), text: encoder.encode("a\nb") };

/** Inputs in the store, to be downloaded into the directory. */
export async function downloadScene(options: SceneOptions): Promise<Scene> {
  const { bucket, id, directory } = options;
  const root = `s3://${bucket.name}/${id}`;
  const files = contents(options);
  for (const [name, bytes] of Object.entries(files)) await bucket.put(`${id}/data/${name}`, bytes);
  const map = make.literalMap(literals(files, (name) => `${root}/data/${name}`));
  await bucket.put(`${id}/inputs.pb`, encodeLiteralMap(map));
  const expected = new Map<string, Uint8Array>([
    ...Object.entries({ ...files, ...VALUES }),
    ["inputs.pb", encodeLiteralMap(make.literalMap(literals(files, (name) => `${directory}/${name}`)))],
  ]);
  const found = () => [...filesBelow(directory, "")];
  const error = async () => decodeErrorText(await bucket.get(`${id}/out/error.pb`));
  return {
    args: (timeoutMs) => [
      "download",
      `--from-remote=${root}/inputs.pb`,
      `--to-output-prefix=${root}/out`,
      `--to-local-dir=${directory}`,
      "--format=PROTO",
      `--timeout=${timeoutMs}ms`,
    ],
    violations: () => {
      const names = found().filter((name) => !name.startsWith(".copilot-tmp/"));
      const wrong = names.flatMap((name) => {
        const bytes = expected.get(name);
        if (bytes === undefined) return [`"${name}" is there and was never asked for`];
        return same(Deno.readFileSync(`${directory}/${name}`), bytes) ? [] : [`"${name}" has wrong bytes`];
      });
      const missing = names.includes("inputs.pb")
        ? [...expected.keys()].filter((name) => !names.includes(name)).map((name) => `"${name}" is missing`)
        : [];
      return Promise.resolve([...wrong, ...missing]);
    },
    succeeded: () => Promise.resolve(found().includes("inputs.pb")),
    error,
    leftovers: () => Promise.resolve(leftIn(directory)),
    clear: async () => {
      await bucket.clear(`${id}/`);
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

/** Names of unfinished files, and their directory. */
function leftIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(`${directory}/.copilot-tmp`)].map(({ name }) => `.copilot-tmp/${name}`)
      .concat(
        ".copilot-tmp/",
      );
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return [];
    throw thrown;
  }
}

/** Outputs in the directory, to be uploaded. */
export function uploadScene(options: SceneOptions): Scene {
  const { bucket, id, directory } = options;
  const root = `s3://${bucket.name}/${id}`;
  const files = contents(options);
  for (const [name, bytes] of Object.entries({ ...files, ...VALUES })) {
    Deno.mkdirSync(`${directory}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeFileSync(`${directory}/${name}`, bytes);
  }
  const types = {
    number: make.INTEGER,
    text: make.STRING,
    file: make.FILE,
    dir: make.DIRECTORY,
    ...(files.large === undefined ? {} : { large: make.FILE }),
  };
  const typed = encode("TypedInterface", make.outputs(types)).toBase64();
  const map = make.literalMap(literals(files, (name) => `${root}/raw/${name}`));
  const expected = new Map<string, Uint8Array>([
    ...Object.entries(files).map(([name, bytes]): [string, Uint8Array] => [`${id}/raw/${name}`, bytes]),
    [`${id}/out/outputs.pb`, encodeLiteralMap(map)],
  ]);
  const outputsKey = `${id}/out/outputs.pb`;
  const errorsKey = `${id}/out/error.pb`;
  return {
    args: (timeoutMs) => [
      "sidecar",
      `--from-local-dir=${directory}`,
      `--to-raw-output=${root}/raw`,
      `--to-output-prefix=${root}/out`,
      `--interface=${typed}`,
      "--start-watcher-type=noop",
      "--exit-watcher-type=noop",
      `--timeout=${timeoutMs}ms`,
    ],
    violations: async () => {
      const keys = (await bucket.keys(`${id}/`)).filter((key) => key !== errorsKey);
      const wrong: string[] = [];
      for (const key of keys) {
        const bytes = expected.get(key);
        if (bytes === undefined) wrong.push(`"${key}" is there and was never asked for`);
        else if (!same(await bucket.get(key) ?? new Uint8Array(0), bytes)) {
          wrong.push(`"${key}" has wrong bytes`);
        }
      }
      const missing = keys.includes(outputsKey)
        ? [...expected.keys()].filter((key) => !keys.includes(key)).map((key) => `"${key}" is missing`)
        : [];
      return [...wrong, ...missing];
    },
    succeeded: async () => (await bucket.keys(outputsKey)).length > 0,
    error: async () => decodeErrorText(await bucket.get(errorsKey)),
    leftovers: async () => (await bucket.openUploads(`${id}/`)).map((key) => `an open upload of ${key}`),
    clear: async () => {
      await bucket.clear(`${id}/`);
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

function* filesBelow(directory: string, prefix: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) yield* filesBelow(`${directory}/${name}`, `${prefix}${name}/`);
    else yield prefix + name;
  }
}
