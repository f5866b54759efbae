/**
 * What is measured: each case's files, and what must have arrived.
 * @module
 */
import { crc32 } from "node:zlib";
import { encode } from "../src/flyte/codec/idl.ts";
import {
  type Literal,
  type LiteralType,
  type Primitive,
  type Scalar,
  SimpleType,
  type TypedInterface,
} from "../src/flyte/types.ts";
import { writeFile } from "./content.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** The data of one or two cases: `big` gives big-down and big-up. */
export interface DataSet {
  name: "tiny" | "prims" | "many" | "mid" | "big" | "crowd" | "swarm" | "huge";
  directions: readonly ("down" | "up")[];
  /** Integers, a blob of one file, or a blob of many. */
  shape: "values" | "file" | "directory";
  /** Whether tools that only copy files can be compared. */
  isCopy: boolean;
  /** Files at scale 1, and bytes of each. */
  files: number;
  bytes: number;
  /** Directories that the files are spread over; 0 for none. */
  directories: number;
  /** The file is mostly holes on disk. */
  isSparse: boolean;
  /** Only measured where it is named. */
  isGiant: boolean;
}

const BOTH = ["down", "up"] as const;
const COMMON = { isCopy: true, directories: 0, isSparse: false, isGiant: false } as const;

/** Sizes as the table of peers has them; then those that show whether memory grows with the job. */
export const DATA_SETS: readonly DataSet[] = [
  { ...COMMON, name: "tiny", directions: BOTH, shape: "values", files: 1, bytes: 2 },
  { ...COMMON, name: "prims", directions: ["down"], shape: "values", isCopy: false, files: 500, bytes: 4 },
  {
    ...COMMON,
    ...{ name: "many", directions: BOTH, shape: "directory", files: 5000, bytes: 16 * KIB, directories: 50 },
  },
  { ...COMMON, name: "mid", directions: ["down"], shape: "directory", files: 20, bytes: 50 * MIB },
  { ...COMMON, name: "big", directions: BOTH, shape: "file", files: 1, bytes: GIB },
  {
    ...{ ...COMMON, name: "crowd", directions: BOTH, shape: "directory", isGiant: true },
    ...{ files: 10_000, bytes: KIB, directories: 100 },
  },
  {
    ...{ ...COMMON, name: "swarm", directions: BOTH, shape: "directory", isGiant: true },
    ...{ files: 100_000, bytes: KIB, directories: 100 },
  },
  {
    ...{ ...COMMON, name: "huge", directions: BOTH, shape: "file", isGiant: true, isSparse: true },
    ...{ files: 1, bytes: 20 * GIB },
  },
];

/** A data set at a scale: files get smaller, directories get fewer files. */
export function scaled(set: DataSet, scale: number): DataSet {
  if (set.shape === "file") return { ...set, bytes: Math.max(MIB, Math.round(set.bytes * scale)) };
  if (set.shape === "directory") return { ...set, files: Math.max(1, Math.round(set.files * scale)) };
  return set;
}

/** Where a file of a data set is, below the data set's directory or prefix. */
export function nameOf({ shape, directories }: DataSet, file: number): string {
  if (shape === "values") return `v${file}`;
  if (shape === "file") return "x";
  const below = directories === 0 ? "" : `d${String(file % directories).padStart(2, "0")}/`;
  return `x/${below}f${String(file).padStart(6, "0")}`;
}

/** Writes the data set as a task's outputs would be. */
export function writeDataSet(set: DataSet, directory: string): void {
  Deno.mkdirSync(`${directory}/${set.shape === "directory" ? "x" : ""}`, { recursive: true });
  for (let i = 0; i < set.directories; i++) {
    if (i < set.files) Deno.mkdirSync(`${directory}/${nameOf(set, i)}`.replace(/\/[^/]*$/, ""));
  }
  for (let i = 0; i < set.files; i++) {
    const path = `${directory}/${nameOf(set, i)}`;
    if (set.shape === "values") Deno.writeTextFileSync(path, String(i));
    else writeFile(set, i, path);
  }
}

/** `--interface` of the sidecar that uploads the data set. */
export function interfaceOf(set: DataSet): string {
  const isValues = set.shape === "values";
  const type: LiteralType = isValues
    ? { type: { case: "simple", value: SimpleType.INTEGER } }
    : { type: { case: "blob", value: { format: "", dimensionality: set.shape === "file" ? 0 : 1 } } };
  const names = isValues ? Array.from({ length: set.files }, (_, i) => nameOf(set, i)) : ["x"];
  const variables = names.map((key) => ({ key, value: { type, description: "" } }));
  const typed: TypedInterface = { outputs: { variables } };
  return btoa(String.fromCharCode(...encode("TypedInterface", typed)));
}

/** The document that a download of the data set begins with: what its upload leaves behind. @param root URI of the prefix */
export function outputsOf(set: DataSet, root: string): Uint8Array {
  const literals = new Map<string, Literal>();
  const add = (key: string, value: Scalar) =>
    literals.set(key, { hash: "", metadata: new Map(), value: { case: "scalar", value } });
  if (set.shape === "values") {
    for (let i = 0; i < set.files; i++) {
      const primitive: Primitive = { value: { case: "integer", value: BigInt(i) } };
      add(nameOf(set, i), { value: { case: "primitive", value: primitive } });
    }
  } else {
    const type = { format: "", dimensionality: set.shape === "file" ? 0 : 1 };
    add("x", { value: { case: "blob", value: { metadata: { type }, uri: `${root}/x` } } });
  }
  return encode("LiteralMap", { literals });
}

/** One file or object of a result. */
export interface Arrived {
  /** Relative to the root, with a leading slash. */
  name: string;
  size: number;
  crc: number;
}

/** What a result is: equal for equal trees. */
export function fingerprint(files: readonly Arrived[]): string {
  const lines = files.map(({ name, size, crc }) => `${name} ${size} ${crc}`);
  return `${lines.length} files, ${crc32(lines.sort().join("\n")).toString(16)}`;
}

/** The files below a directory, without copilot's documents. */
export function filesBelow(directory: string): Arrived[] {
  const files: Arrived[] = [];
  const buffer = new Uint8Array(4 * MIB);
  const walk = (path: string, name: string) => {
    for (const entry of Deno.readDirSync(path)) {
      const [below, relative] = [`${path}/${entry.name}`, `${name}/${entry.name}`];
      if (entry.isDirectory) walk(below, relative);
      else if (!/^\/(inputs\.(pb|json|yaml)$|\.copilot-)/.test(relative)) {
        using file = Deno.openSync(below);
        let [crc, size] = [0, 0];
        for (let count = file.readSync(buffer); count !== null; count = file.readSync(buffer)) {
          crc = crc32(buffer.subarray(0, count), crc);
          size += count;
        }
        files.push({ name: relative, size, crc });
      }
    }
  };
  walk(directory, "");
  return files;
}
