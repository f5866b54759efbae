import assert from "assert";
import { createHash } from "node:crypto";
import { Md5Lanes } from "../../../src/storage/md5/lanes.ts";

/** Bytes that differ by seed and place. */
function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = seed + 1; i < length; i++) {
    bytes[i] = state = (Math.imul(state, 1103515245) + 12345 + i) >>> 3;
  }
  return bytes;
}

function expected(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

Deno.test("MD5 in lanes: RFC 1321's own examples", () => {
  const lanes = new Md5Lanes();
  const examples = { "": "d41d8cd98f00b204e9800998ecf8427e", abc: "900150983cd24fb0d6963f7d28e17f72" };
  for (const [text, digest] of Object.entries(examples)) {
    const md5 = lanes.open()!;
    md5.update(new TextEncoder().encode(text));
    assert.equal(md5.hex(), digest);
  }
});

Deno.test("MD5 in lanes: every length around a block and a buffer", () => {
  const lanes = new Md5Lanes();
  const edges = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128];
  for (const base of [0, 256 * 1024 - 64, 512 * 1024]) {
    for (const edge of edges) {
      const bytes = bytesOf(base + edge, edge);
      const md5 = lanes.open()!;
      md5.update(bytes);
      assert.equal(md5.hex(), expected(bytes), `${base + edge} bytes`);
    }
  }
});

for (const count of [2, 3, 4, 5, 8, 13, 24]) {
  Deno.test(`MD5 in lanes: ${count} streams in pieces of any size, each its own digest`, () => {
    const lanes = new Md5Lanes();
    const streams = Array.from({ length: count }, (_, seed) => {
      const bytes = bytesOf(700_000 + 37 * seed * seed, seed);
      return { bytes, md5: lanes.open()!, at: 0, hex: "" };
    });
    for (let round = 0; streams.some(({ hex }) => hex === ""); round++) {
      streams.forEach((stream, index) => {
        if (stream.hex !== "") return;
        const piece = [1, 63, 64, 4096, 65_536, 262_144, 300_001][(round * 5 + index * 3) % 7]!;
        stream.md5.update(stream.bytes.subarray(stream.at, stream.at + piece));
        stream.at += piece;
        if (stream.at >= stream.bytes.length) stream.hex = stream.md5.hex();
      });
    }
    for (const { bytes, hex } of streams) assert.equal(hex, expected(bytes));
  });
}

Deno.test("MD5 in lanes: there is room for 24 streams, and again once one has ended", () => {
  const lanes = new Md5Lanes();
  const open = Array.from({ length: 24 }, () => lanes.open()!);
  assert.equal(lanes.open(), null);
  open[7]!.hex();
  assert.equal(lanes.open()!.hex(), "d41d8cd98f00b204e9800998ecf8427e");
});
