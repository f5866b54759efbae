/**
 * Reads the body of a PUT as a store would, checks it against everything that its headers and trailers say of it, and forgets it.
 * @module
 */
import { crc32 } from "node:zlib";
import { base64ToHex, createHasher, type Hasher, hexToBase64 } from "../src/storage/checksum.ts";
import type { ChecksumName } from "../src/storage/store.ts";

/** A refusal, as S3 words it. */
export class Fault extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

/** What a body was. */
export interface Received {
  size: number;
  crc: number;
}

/** Takes the aws-chunked framing away; signatures of chunks are not looked at. */
class Deframer {
  readonly trailers = new Map<string, string>();
  #line = "";
  #left = 0;
  #isBehindData = false;

  /** The payload within the next bytes of the body. */
  *payload(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const piece = bytes.subarray(at, at + this.#left);
        this.#left -= piece.length;
        at += piece.length;
        yield piece;
      } else {
        const byte = bytes[at++]!;
        if (byte !== 0x0a) this.#line += String.fromCharCode(byte);
        else this.#endLine();
      }
    }
  }

  #endLine(): void {
    const line = this.#line.trimEnd();
    this.#line = "";
    if (line === "") return;
    if (this.#isBehindData) {
      const colon = line.indexOf(":");
      this.trailers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
      return;
    }
    this.#left = parseInt(line, 16);
    if (Number.isNaN(this.#left)) throw new Fault(400, "InvalidRequest", `Not the size of a chunk: ${line}`);
    this.#isBehindData = this.#left === 0;
  }
}

const PREFIX = "x-amz-checksum-";
const CHECKSUMS: readonly string[] = ["crc32c", "crc64nvme", "sha1", "sha256"];

/** Hashers for what is announced, each with where its value stands. CRC32 is computed anyway. */
async function hashersFor(headers: Headers): Promise<{ hasher: Hasher; field: string }[]> {
  const names = [...headers.keys(), headers.get("x-amz-trailer")?.toLowerCase() ?? ""]
    .filter((name) => name.startsWith(PREFIX) && CHECKSUMS.includes(name.slice(PREFIX.length)));
  const wanted = names.map((field) => ({ name: field.slice(PREFIX.length) as ChecksumName, field }));
  if (headers.has("content-md5")) wanted.push({ name: "md5", field: "content-md5" });
  if (/^[0-9a-f]{64}$/.test(headers.get("x-amz-content-sha256") ?? "")) {
    wanted.push({ name: "sha256", field: "x-amz-content-sha256" });
  }
  return await Promise.all(
    wanted.map(async ({ name, field }) => ({ hasher: await createHasher(name), field })),
  );
}

/** A CRC32 as S3's headers have it. */
export function crcHeader(crc: number): string {
  return hexToBase64(crc.toString(16).padStart(8, "0"));
}

/** Reads a request's body to its end. @throws Fault where it is not what was announced */
export async function receive({ headers, body }: Request): Promise<Received> {
  const deframer = headers.get("x-amz-content-sha256")?.startsWith("STREAMING-") ? new Deframer() : null;
  const hashers = await hashersFor(headers);
  let [size, crc] = [0, 0];
  for await (const bytes of body ?? []) {
    for (const piece of deframer?.payload(bytes) ?? [bytes]) {
      size += piece.length;
      crc = crc32(piece, crc);
      for (const { hasher } of hashers) hasher.update(piece);
    }
  }
  const announced = Number(
    headers.get(deframer === null ? "content-length" : "x-amz-decoded-content-length"),
  );
  if (size !== announced) {
    throw new Fault(400, "IncompleteBody", `Got ${size} bytes, announced were ${announced}`);
  }
  const sums = hashers.map(({ hasher, field }) => ({ field, hex: hasher.hex() }));
  for (
    const { field, hex } of [...sums, { field: `${PREFIX}crc32`, hex: crc.toString(16).padStart(8, "0") }]
  ) {
    const said = deframer?.trailers.get(field) ?? headers.get(field);
    if (said === null || said === undefined) continue;
    if (said !== hex && base64ToHex(said) !== hex) {
      throw new Fault(400, "BadDigest", `${field} is ${hex}, announced was ${said}`);
    }
  }
  if (deframer !== null && headers.has("x-amz-trailer") && deframer.trailers.size === 0) {
    throw new Fault(400, "MalformedTrailerError", "The trailer that was announced is missing");
  }
  return { size, crc };
}
