import assert from "assert";
import { parseDirents, shownBytes } from "../../src/system/dirents.ts";

/** An entry as the kernel lays it out. */
function entry(name: number[] | string, type: number): number[] {
  const bytes = typeof name === "string" ? [...new TextEncoder().encode(name)] : name;
  const length = Math.ceil((19 + bytes.length + 1) / 8) * 8;
  const raw = new Uint8Array(length);
  new DataView(raw.buffer).setUint16(16, length, true);
  raw[18] = type;
  raw.set(bytes, 19);
  return [...raw];
}

Deno.test("dirents: names and kinds, the directory itself and its parent left out", () => {
  const bytes = Uint8Array.from([
    ...entry(".", 4),
    ...entry("..", 4),
    ...entry("file", 8),
    ...entry("dir", 4),
    ...entry("link", 10),
    ...entry("fifo", 1),
    ...entry("device", 2),
    ...entry("unknown", 0),
    ...entry("ü😀", 8),
    ...entry("\ufeffmark", 8),
    ...entry([0xe9], 8),
    ...entry("...", 8),
    ...entry("n".repeat(255), 8),
  ]);
  const foreign: string[] = [];
  const entries = [...parseDirents(bytes, (shown) => foreign.push(shown))];
  assert.deepEqual(entries.map(({ name, kind }) => `${name.slice(0, 9)} ${kind}`), [
    "file file",
    "dir directory",
    "link symlink",
    "fifo other",
    "device other",
    "unknown null",
    "ü😀 file",
    "\ufeffmark file",
    "... file",
    "nnnnnnnnn file",
  ]);
  assert.equal(entries.at(-1)!.name.length, 255);
  assert.deepEqual(foreign, ["\\xE9"]);
});

Deno.test("dirents: bytes are shown so that they can be told, and obeyed by no terminal", () => {
  assert.equal(
    shownBytes(Uint8Array.from([0x63, 0xe9, 0x0a, 0x1b, 0x5c, 0x20, 0x7f])),
    "c\\xE9\\x0A\\x1B\\x5C \\x7F",
  );
});
