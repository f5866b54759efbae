/**
 * Pages of the executable that only a start needs: half of the runtime's code and nearly all of its data are read once, to make a
 * thread, and stay resident until somebody else wants the memory. The kernel is told that they can go; what is still needed comes back
 * from its cache, a page at a time, as it is touched.
 * @module
 */
import { headText } from "./head_text.ts";
import type { Files } from "./mod.ts";

/** On this thread, so that it takes none; `callback` keeps the runtime from loading a compiler for it. */
const FUNCTIONS = {
  madvise: { parameters: ["usize", "usize", "i32"], result: "i32", callback: true },
} as const;

const MADV_DONTNEED = 4;

/** Of the list of mappings, in which some dozens of the heap come before the executable's. */
const MAPS_BYTES = 64 * 1024;

/** Lets the pages go. */
export type Release = () => void;

/** Null where the machine cannot do this: no C library of that name, no /proc, no right to either. */
export function openCodePages(files: Pick<Files, "readHead">): Release | null {
  const maps = headText(files, "/proc/self/maps", MAPS_BYTES) ?? "";
  const ranges = readOnlyMappings(maps, Deno.execPath());
  if (ranges.length === 0) return null;
  try {
    const { madvise } = Deno.dlopen("libc.so.6", FUNCTIONS).symbols;
    return () => {
      for (const { start, length } of ranges) madvise(start, length, MADV_DONTNEED);
    };
  } catch {
    return null;
  }
}

/** Addresses, as the kernel has them. */
interface Range {
  start: bigint;
  length: bigint;
}

/**
 * The mappings of a program that are the same as its file. Its data that the loader has filled in are not, and would be lost; they are
 * read-only too, so of what is not code only the beginning of the file counts, which holds nothing of that kind.
 */
function readOnlyMappings(maps: string, path: string): Range[] {
  const ranges: Range[] = [];
  for (const line of maps.split("\n")) {
    if (!line.endsWith(` ${path}`)) continue;
    const [addresses = "", rights = "", offset = ""] = line.split(" ", 3);
    if (rights !== "r-xp" && !(rights === "r--p" && Number(`0x${offset}`) === 0)) continue;
    const [start, end] = addresses.split("-").map((address) => BigInt(`0x${address}`));
    ranges.push({ start: start!, length: end! - start! });
  }
  return ranges;
}
