import assert from "assert";
import { base64ToHex, combine, createHasher, hexToBase64, isCrc } from "../../src/storage/checksum.ts";
import type { ChecksumName } from "../../src/storage/store.ts";

const text = new TextEncoder();

async function hexOf(name: ChecksumName, ...pieces: Uint8Array[]): Promise<string> {
  const hasher = await createHasher(name);
  for (const piece of pieces) hasher.update(piece);
  return hasher.hex();
}

/** Check values of the published definitions for "123456789", and of the empty string. */
const PUBLISHED: [name: ChecksumName, nine: string, empty: string][] = [
  ["crc32", "cbf43926", "00000000"],
  ["crc32c", "e3069283", "00000000"],
  ["crc64nvme", "ae8b14860a799888", "0000000000000000"],
  ["md5", "25f9e794323b453885f5181f1b624d0b", "d41d8cd98f00b204e9800998ecf8427e"],
  ["sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
  [
    "sha256",
    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  ],
];

for (const [name, nine, empty] of PUBLISHED) {
  Deno.test(`checksum ${name}: published check values`, async () => {
    assert.equal(await hexOf(name, text.encode("123456789")), nine);
    assert.equal(await hexOf(name), empty);
  });

  Deno.test(`checksum ${name}: pieces give the same as the whole, in a buffer that is used again`, async () => {
    const bytes = pattern(100_003);
    const whole = await hexOf(name, bytes);
    const hasher = await createHasher(name);
    const buffer = new Uint8Array(4096);
    for (let at = 0; at < bytes.length; at += 777) {
      const piece = bytes.subarray(at, at + 777);
      buffer.set(piece);
      hasher.update(buffer.subarray(0, piece.length));
      buffer.fill(0);
    }
    assert.equal(hasher.hex(), whole);
  });

  Deno.test(`checksum ${name}: two streams at once do not mix, and an instance used again starts afresh`, async () => {
    const [a, b] = [await createHasher(name), await createHasher(name)];
    a.update(text.encode("12345"));
    b.update(text.encode("other"));
    a.update(text.encode("6789"));
    assert.equal(a.hex(), nine);
    assert.notEqual(b.hex(), nine);
    assert.equal(await hexOf(name, text.encode("123456789")), nine);
  });
}

for (const name of ["crc32", "crc32c", "crc64nvme"] as const) {
  Deno.test(`checksum ${name}: combine gives the whole from any cut`, async () => {
    const bytes = pattern(5000);
    const whole = await hexOf(name, bytes);
    for (const cut of [0, 1, 2, 3, 7, 8, 255, 256, 1024, 4095, 4999, 5000]) {
      const a = await hexOf(name, bytes.subarray(0, cut));
      const b = await hexOf(name, bytes.subarray(cut));
      assert.equal(combine(name, a, b, bytes.length - cut), whole, `cut at ${cut}`);
    }
  });

  Deno.test(`checksum ${name}: combine is associative over lengths beyond 32 bits`, () => {
    const zeros = name === "crc64nvme" ? 16 : 8;
    const [a, b, c] = ["1", "2", "3"].map((digit) => digit.repeat(zeros)) as [string, string, string];
    const [lengthB, lengthC] = [2 ** 33 + 5, 5 * 2 ** 40 + 3];
    const left = combine(name, combine(name, a, b, lengthB), c, lengthC);
    const right = combine(name, a, combine(name, b, c, lengthC), lengthB + lengthC);
    assert.equal(left, right);
  });
}

Deno.test("checksum: a digest cannot be combined", () => {
  assert.equal(isCrc("sha256"), false);
  assert.throws(() => combine("sha256", "00", "00", 1), TypeError);
});

Deno.test("checksum: hexadecimal and base64", () => {
  assert.equal(hexToBase64("e3069283"), "4waSgw==");
  assert.equal(base64ToHex("4waSgw=="), "e3069283");
  assert.equal(base64ToHex("not base64!"), null);
  assert.equal(hexToBase64("00000000"), "AAAAAA==");
});

/** Bytes without a short period. */
function pattern(length: number): Uint8Array {
  let state = 12345;
  return Uint8Array.from({ length }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >>> 16);
}
