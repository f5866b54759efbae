/**
 * Decoding of bodies that come with `Content-Encoding: gzip` though nobody asked for it, as Go's HTTP client does for the original.
 * @module
 */
import { once } from "node:events";
import { createGunzip, type Gunzip } from "node:zlib";
import { CopilotError } from "../../../errors.ts";
import type { HttpHeaders } from "../../../http/head.ts";
import type { ByteReader } from "../../store.ts";

const PIECE_BYTES = 64 * 1024;

/** Whether a reply's body is compressed. Go knows this one spelling. */
export function isGzip(headers: HttpHeaders): boolean {
  return headers.get("content-encoding")?.toLowerCase() === "gzip";
}

/** The bytes of a compressed body. */
export class GunzipBody implements ByteReader {
  readonly #body: ByteReader;
  readonly #gunzip: Gunzip = createGunzip();
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #object: string;
  #piece: Uint8Array = new Uint8Array(0);
  #isClosed = false;

  /** @param object URI, for errors */
  constructor(body: ByteReader, object: string) {
    this.#body = body;
    this.#object = object;
    this.#pieces = this.#gunzip[Symbol.asyncIterator]();
    // An error between two reads is told by the next one.
    this.#gunzip.on("error", () => {});
    this.#feed().catch((error) => this.#gunzip.destroy(error));
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#isClosed) return null;
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next().catch((thrown) => {
        throw this.#error(thrown);
      });
      if (next.done) return null;
      this.#piece = next.value;
    }
    const count = Math.min(into.length, this.#piece.length);
    into.set(this.#piece.subarray(0, count));
    this.#piece = this.#piece.subarray(count);
    return count;
  }

  close(): void {
    this.#isClosed = true;
    this.#body.close();
    this.#gunzip.destroy();
  }

  async #feed(): Promise<void> {
    for (;;) {
      const buffer = new Uint8Array(PIECE_BYTES);
      const count = await this.#body.read(buffer);
      if (count === null) break;
      if (!this.#gunzip.write(buffer.subarray(0, count))) await once(this.#gunzip, "drain");
    }
    this.#gunzip.end();
  }

  /** What the connection broke with, or what zlib says of the bytes. */
  #error(thrown: unknown): CopilotError {
    if (thrown instanceof CopilotError) return thrown;
    return new CopilotError("network", {
      action: "read",
      object: this.#object,
      detail: `it came compressed and cannot be decoded: ${(thrown as Error).message}`,
      cause: thrown,
    });
  }
}
