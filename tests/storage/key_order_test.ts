import assert from "assert";
import { compareKeys } from "../../src/storage/key_order.ts";

/** The first and last unit of each range that is ranked differently, alone or as a pair. */
const KEYS = ["", "a", "ab", "b", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"];

Deno.test("keys sort by their UTF-8 bytes, at every boundary of UTF-16", () => {
  const encoder = new TextEncoder();
  const bytes = (key: string) => [...encoder.encode(key)].map((byte) => String.fromCharCode(byte)).join("");
  for (const a of KEYS) {
    for (const b of KEYS) {
      const expected = bytes(a) < bytes(b) ? -1 : bytes(a) > bytes(b) ? 1 : 0;
      assert.equal(Math.sign(compareKeys(a, b)), expected, `${JSON.stringify(a)} and ${JSON.stringify(b)}`);
      assert.equal(Math.sign(compareKeys(`k/${a}/x`, `k/${b}/x`)) === 0, a === b);
    }
  }
});
