/**
 * Checksums of streams, and of a whole object from those of its parts.
 *
 * CRC32 comes from zlib and the digests from crypto, both native; CRC32C, CRC64NVME and the MD5 of a large object from wasm, which
 * is loaded only when a store gives such a checksum. Bytes are looked at once, in the buffer that they arrived in.
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { ChecksumName } from "./store.ts";

/** The checksum of one stream of bytes. */
export interface Hasher {
  readonly name: ChecksumName;
  /** Takes the next bytes; they may be overwritten afterwards. */
  update(bytes: Uint8Array): void;
  /** The checksum in lower-case hexadecimal, big-endian. Called once, after the last update. */
  hex(): string;
}

/** The checksums that {@linkcode combine} can join. */
export type CrcName = "crc32" | "crc32c" | "crc64nvme";

/**
 * Generator polynomials with their bits reversed, as all three checksums are defined on bytes with the lowest bit first.
 * CRC32: ISO 3309. CRC32C: Castagnoli, RFC 3720. CRC64NVME: NVM Express NVM Command Set 1.0, section 5.2.1.3.4.
 */
const CRCS: Readonly<Record<CrcName, { bits: number; polynomial: bigint }>> = {
  crc32: { bits: 32, polynomial: 0xedb88320n },
  crc32c: { bits: 32, polynomial: 0x82f63b78n },
  crc64nvme: { bits: 64, polynomial: 0x9a6c9329ac4bc9b5n },
};

/** Whether checksums of parts give that of the whole. */
export function isCrc(name: ChecksumName): name is CrcName {
  return name in CRCS;
}

/** An MD5 of fewer bytes is over before another could share its work. */
const LANES_FROM_BYTES = 1024 * 1024;

/**
 * A hasher for one stream.
 *
 * @param sizeBytes bytes that are to come, where that is known: a large MD5 is hashed beside others
 *
 * @example
 * ```ts
 * import assert from "assert";
 * import { createHasher } from "./checksum.ts";
 *
 * const hasher = await createHasher("crc32c");
 * hasher.update(new TextEncoder().encode("123456789"));
 * assert.equal(hasher.hex(), "e3069283");
 * ```
 */
export async function createHasher(name: ChecksumName, sizeBytes = 0): Promise<Hasher> {
  if (name === "crc32") return zlibHasher();
  if (name === "md5" && sizeBytes >= LANES_FROM_BYTES) {
    const { openMd5 } = await import("./md5/lanes.ts");
    const md5 = openMd5();
    if (md5 !== null) return { name, ...md5 };
  }
  return isCrc(name) ? await wasmHasher(name) : cryptoHasher(name);
}

function zlibHasher(): Hasher {
  let value = 0;
  return {
    name: "crc32",
    update(bytes) {
      value = crc32(bytes, value);
    },
    hex: () => value.toString(16).padStart(8, "0"),
  };
}

function cryptoHasher(name: "sha1" | "sha256" | "md5"): Hasher {
  const hash = createHash(name);
  return {
    name,
    update: (bytes) => void hash.update(bytes),
    hex: () => hash.digest("hex"),
  };
}

/** What is used of hash-wasm's hashers. */
interface WasmCrc {
  init(): unknown;
  update(bytes: Uint8Array): unknown;
  digest(): string;
}

/** Instances that have done their stream: an instance holds a page of memory, so many small objects share a few. */
const idle: Record<Exclude<CrcName, "crc32">, WasmCrc[]> = { crc32c: [], crc64nvme: [] };

async function newWasm(name: Exclude<CrcName, "crc32">): Promise<WasmCrc> {
  const { createCRC32, createCRC64 } = await import("../packages/crc.ts");
  const { polynomial } = CRCS[name];
  return name === "crc32c" ? createCRC32(Number(polynomial)) : createCRC64(polynomial.toString(16));
}

async function wasmHasher(name: Exclude<CrcName, "crc32">): Promise<Hasher> {
  const crc = idle[name].pop() ?? await newWasm(name);
  crc.init();
  return {
    name,
    update: (bytes) => void crc.update(bytes),
    hex() {
      const hex = crc.digest();
      idle[name].push(crc);
      return hex;
    },
  };
}

/** For each checksum: x^(8 * 2^k) modulo the polynomial, for k = 0, 1, 2, … as far as anybody asked. */
const shifts: Record<CrcName, bigint[]> = { crc32: [], crc32c: [], crc64nvme: [] };

/** Product of two polynomials modulo the checksum's; the highest bit is the coefficient of x^0. */
function multiply(name: CrcName, a: bigint, b: bigint): bigint {
  const { bits, polynomial } = CRCS[name];
  let product = 0n;
  let factor = b;
  for (let bit = 1n << BigInt(bits - 1); bit !== 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= factor;
    factor = (factor & 1n) === 0n ? factor >> 1n : (factor >> 1n) ^ polynomial;
  }
  return product;
}

function shiftBy(name: CrcName, k: number): bigint {
  const known = shifts[name];
  if (known.length === 0) known.push(1n << BigInt(CRCS[name].bits - 1 - 8));
  for (let last = known.length - 1; last < k; last++) known.push(multiply(name, known[last]!, known[last]!));
  return known[k]!;
}

/**
 * The checksum of two pieces one after the other, from the checksum of each. Costs O(log length).
 *
 * The preset and the final inversion of all three checksums cancel out, so that crc(ab) = crc(a)·x^(8·|b|) + crc(b).
 *
 * @param hexA checksum of the first piece
 * @param hexB checksum of the second piece
 * @param lengthB bytes of the second piece
 */
export function combine(name: ChecksumName, hexA: string, hexB: string, lengthB: number): string {
  if (!isCrc(name)) {
    throw new TypeError(`Cannot combine checksums of kind "${name}": only CRCs can be combined`);
  }
  let value = BigInt(`0x${hexA}`);
  for (let k = 0, rest = lengthB; rest > 0; k++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) value = multiply(name, shiftBy(name, k), value);
  }
  return (value ^ BigInt(`0x${hexB}`)).toString(16).padStart(CRCS[name].bits / 4, "0");
}

/** A checksum as HTTP headers carry it: base64 of its bytes. */
export function hexToBase64(hex: string): string {
  return Uint8Array.fromHex(hex).toBase64();
}

/**
 * A checksum out of an HTTP header, in lower-case hexadecimal; null where the text is no base64.
 *
 * @param text standard base64 with padding
 */
export function base64ToHex(text: string): string | null {
  try {
    return Uint8Array.fromBase64(text).toHex();
  } catch {
    return null;
  }
}
