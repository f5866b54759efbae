/**
 * Bytes and texts made worse, by a seed.
 * @module
 */
import type { Random } from "../faults/random.ts";

/** Numbers that formats trip over, as bytes. */
const NASTY_BYTES = [
  0x00,
  0x01,
  0x0a,
  0x22,
  0x2e,
  0x2f,
  0x3c,
  0x3e,
  0x5c,
  0x7f,
  0x80,
  0xc0,
  0xed,
  0xf4,
  0xff,
];
/** Pieces that names, paths and documents trip over. */
export const NASTY_TEXTS = [
  "..",
  "../",
  "/",
  "//",
  "/../",
  "./",
  "\\",
  "..\\",
  "\0",
  "\n",
  "\r\n",
  "\u202e",
  "\ud800",
  "\ufeff",
  "%2e%2e%2f",
  "%00",
  "a".repeat(300),
  "é",
  "e\u0301",
  "~",
  "$HOME",
  "`",
  "'",
  '"',
  "<",
  "&#0;",
  "&#x110000;",
  "]]>",
  "<!DOCTYPE a [<!ENTITY b 'c'>]>",
  "__proto__",
  "constructor",
  "toString",
  "NaN",
  "-0",
  "1e999",
  "99999999999999999999",
  "{",
  "[",
  "&a",
  "*a",
  "!!js/function",
  "|",
  "- ",
];

/** A worse version of some bytes. */
export function mutateBytes(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let bytes = Uint8Array.from(random.pick(corpus));
  for (let times = 1 + random.below(6); times > 0; times--) bytes = mutateOnce(random, bytes, corpus);
  return bytes;
}

function mutateOnce(
  random: Random,
  bytes: Uint8Array,
  corpus: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + random.below(40));
  switch (random.below(7)) {
    case 0: // Another byte.
      return bytes.map((byte, index) => index === at ? random.below(256) : byte) as Uint8Array<ArrayBuffer>;
    case 1: // A bit flipped.
      return bytes.map((byte, index) => index === at ? byte ^ (1 << random.below(8)) : byte) as Uint8Array<
        ArrayBuffer
      >;
    case 2: // A piece cut out.
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    case 3: // A piece twice, or many times.
      return joined(
        bytes.subarray(0, end),
        ...Array(random.pick([1, 2, 30])).fill(bytes.subarray(at, end)),
        bytes.subarray(end),
      );
    case 4: // A piece of another one.
      return joined(bytes.subarray(0, at), slice(random, random.pick(corpus)), bytes.subarray(at));
    case 5: // Nasty bytes.
      return joined(bytes.subarray(0, at), Uint8Array.from([random.pick(NASTY_BYTES)]), bytes.subarray(at));
    default: // Cut short.
      return bytes.slice(0, at);
  }
}

function slice(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length);
  return bytes.subarray(at, at + random.below(64));
}

function joined(...pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** A worse version of a text. */
export function mutateText(random: Random, corpus: readonly string[]): string {
  let text = random.pick(corpus);
  for (let times = 1 + random.below(5); times > 0; times--) {
    const at = random.below(text.length + 1);
    const end = Math.min(text.length, at + random.below(20));
    const put = random.chance(0.6)
      ? random.pick(NASTY_TEXTS)
      : random.chance(0.5)
      ? text.slice(at, end).repeat(random.pick([1, 3, 50]))
      : String.fromCharCode(random.below(random.pick([128, 0xffff])));
    text = text.slice(0, at) + put + text.slice(random.chance(0.5) ? at : end);
  }
  return text.slice(0, 20_000);
}
