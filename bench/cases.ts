/**
 * What is measured: each case's files, and what must have arrived.
 * @module
 */
import { crc32 } from "node:zlib";
import { encode } from "../src/flyte/idl.ts";
import { type LiteralType, SimpleType, type TypedInterface } from "../src/flyte/types.ts";

const MIB = 1024 * 1024;

/** The data of one or two cases: `big` gives big-down and big-up. */
export interface DataSet {
  name: "big" | "mid" | "many" | "prims" | "tiny";
  directions: readonly ("down" | "up")[];
  /** Whether tools that only copy files can be compared. */
  isCopy: boolean;
  /** Files at scale 1, and bytes of each. */
  files: number;
  bytes: number;
}

/** Sizes as the table of peers has them. */
export const DATA_SETS: readonly DataSet[] = [
  { name: "tiny", directions: ["down", "up"], isCopy: true, files: 1, bytes: 2 },
  { name: "prims", directions: ["down"], isCopy: false, files: 500, bytes: 4 },
  { name: "many", directions: ["down", "up"], isCopy: true, files: 5000, bytes: 16 * 1024 },
  { name: "mid", directions: ["down"], isCopy: true, files: 20, bytes: 50 * MIB },
  { name: "big", directions: ["down", "up"], isCopy: true, files: 1, bytes: 1024 * MIB },
];

/** A data set at a scale: `big` gets smaller, `many` and `mid` get fewer. */
export function scaled(set: DataSet, scale: number): DataSet {
  if (set.name === "big") return { ...set, bytes: Math.max(MIB, Math.round(set.bytes * scale)) };
  if (set.name === "many" || set.name === "mid") {
    return { ...set, files: Math.max(1, Math.round(set.files * scale)) };
  }
  return set;
}

/** Whether the data set is values and no blobs. */
function isValues({ name }: DataSet): boolean {
  return name === "tiny" || name === "prims";
}

/** Writes the data set as a task's outputs would be. */
export function writeDataSet(set: DataSet, directory: string): void {
  const block = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
  const write = (path: string, bytes: number) => {
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    for (let left = bytes; left > 0; left -= MIB) {
      // Every block differs, so that bytes in the wrong place are noticed.
      new DataView(block.buffer).setFloat64(0, left);
      file.writeSync(block.subarray(0, Math.min(left, MIB)));
    }
  };
  Deno.mkdirSync(directory, { recursive: true });
  if (isValues(set)) {
    for (let i = 0; i < set.files; i++) Deno.writeTextFileSync(`${directory}/v${i}`, String(i));
  } else if (set.name === "big") {
    write(`${directory}/x`, set.bytes);
  } else {
    for (let i = 0; i < set.files; i++) {
      const below = set.name === "many" ? `d${String(i % 50).padStart(2, "0")}` : "";
      Deno.mkdirSync(`${directory}/x/${below}`, { recursive: true });
      write(`${directory}/x/${below}/f${String(i).padStart(5, "0")}`, set.bytes);
    }
  }
}

/** `--interface` of the sidecar that uploads the data set. */
export function interfaceOf(set: DataSet): string {
  const type: LiteralType = isValues(set)
    ? { type: { case: "simple", value: SimpleType.INTEGER } }
    : { type: { case: "blob", value: { format: "", dimensionality: set.name === "big" ? 0 : 1 } } };
  const names = isValues(set) ? Array.from({ length: set.files }, (_, i) => `v${i}`) : ["x"];
  const variables = names.map((key) => ({ key, value: { type, description: "" } }));
  const typed: TypedInterface = { outputs: { variables } };
  return btoa(String.fromCharCode(...encode("TypedInterface", typed)));
}

/** Number, bytes and CRC32s of the files below a directory, without copilot's documents. Equal for equal trees. */
export function fingerprint(directory: string): string {
  const lines: string[] = [];
  const buffer = new Uint8Array(4 * MIB);
  const walk = (path: string, name: string) => {
    for (const entry of Deno.readDirSync(path)) {
      const [below, relative] = [`${path}/${entry.name}`, `${name}/${entry.name}`];
      if (entry.isDirectory) walk(below, relative);
      else if (!/^\/inputs\.(pb|json|yaml)$/.test(relative)) {
        using file = Deno.openSync(below);
        let [crc, size] = [0, 0];
        for (let count = file.readSync(buffer); count !== null; count = file.readSync(buffer)) {
          crc = crc32(buffer.subarray(0, count), crc);
          size += count;
        }
        lines.push(`${relative} ${size} ${crc}`);
      }
    }
  };
  walk(directory, "");
  return `${lines.length} files, ${crc32(lines.sort().join("\n")).toString(16)}`;
}
