import assert from "assert";
import { denortFromWheel, elfImageLength, RUNTIMES } from "../../scripts/denort.ts";

/** A 64-bit ELF header with these places of its section headers. */
function elf(length: number, sections: { offset: number; size: number; count: number }): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0x28, BigInt(sections.offset), true);
  view.setUint16(0x3a, sections.size, true);
  view.setUint16(0x3c, sections.count, true);
  return bytes;
}

Deno.test("an ELF image ends with its section headers, whatever was appended", () => {
  assert.equal(elfImageLength(elf(1000, { offset: 200, size: 64, count: 5 })), 520);
  assert.equal(elfImageLength(elf(520, { offset: 200, size: 64, count: 5 })), 520);
});

Deno.test("what is no ELF image is refused", () => {
  const refused: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /not a 64-bit/],
    [new TextEncoder().encode("#!/bin/sh\n".padEnd(100)), /not a 64-bit/],
    [elf(519, { offset: 200, size: 64, count: 5 }), /it ends at 520, but the file has 519 bytes/],
  ];
  for (const [bytes, message] of refused) assert.throws(() => elfImageLength(bytes), { message });
});

Deno.test("a target without a known runtime is refused with those that are known", async () => {
  const names = Object.keys(RUNTIMES);
  await assert.rejects(() => denortFromWheel("mips-unknown-linux-gnu"), (error: Error) => {
    assert(names.every((name) => error.message.includes(name)), error.message);
    return true;
  });
});
