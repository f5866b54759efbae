/**
 * Uploads in parts by a resumable session (https://cloud.google.com/storage/docs/performing-resumable-uploads).
 *
 * A session takes bytes in order, in multiples of 256 KiB until the last. What a part has beyond that is kept and goes ahead of
 * the next part, so that parts may have any size. After a request that broke, the session is asked what it has, and only the
 * rest is sent. The object is there when the session ends, and not before; the session is told the CRC32C of all bytes then, and
 * refuses others.
 * @module
 */
import { cannot, type CopilotError } from "../../../errors.ts";
import { orAborted } from "../../../system/abort.ts";
import { combine, createHasher, type Hasher, hexToBase64 } from "../../checksum.ts";
import type { HttpResponse } from "../../../http/client.ts";
import {
  type ByteReader,
  type ByteSource,
  bytesSource,
  type CallOptions,
  type MultipartUpload,
  type ObjectInfo,
  type PutOptions,
} from "../../store.ts";
import { wrongLength } from "../../cloud/exact_source.ts";
import { joined } from "./body.ts";
import { infoOfResource, malformed, persistedBytes } from "./reply.ts";
import type { GcsRequest, GcsRequests } from "./transport.ts";

/** Bytes that a session takes at a time. */
export const CHUNK_BYTES = 256 * 1024;
/** The session has some bytes and wants more. */
const INCOMPLETE = 308;
/** What a cancelled session answers. */
const CANCELLED = 499;
const SKIP_BYTES = 64 * 1024;
const CRC32C_OF_NOTHING = "00000000";

/** One reading of a part from its first byte: counted, hashed, and read on after the request that took most of it. */
class Pass implements ByteReader {
  readonly #reader: ByteReader;
  readonly #object: string;
  readonly #size: number;
  #hasher: Hasher | null = null;
  #at = 0;

  constructor(source: ByteSource, object: string) {
    this.#reader = source.open();
    this.#object = object;
    this.#size = source.size;
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.#hasher ??= await createHasher("crc32c");
    const count = await this.#reader.read(into);
    if (count === null) return null;
    this.#hasher.update(into.subarray(0, count));
    this.#at += count;
    return count;
  }

  /** A view of the bytes from `start` to `end`, which must lie ahead. Its close leaves the rest readable. */
  range(start: number, end: number): ByteReader {
    return {
      read: async (into) => {
        if (this.#at < start) await this.#skipTo(start);
        const left = end - this.#at;
        return left <= 0 ? null : await this.read(into.length > left ? into.subarray(0, left) : into);
      },
      close() {},
    };
  }

  /** The bytes up to `size`, where the source must end. */
  async rest(start: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    await this.#skipTo(start);
    const bytes = new Uint8Array(size - start);
    while (this.#at < size) await this.#must(bytes.subarray(this.#at - start));
    if (await this.#reader.read(new Uint8Array(1)) !== null) {
      throw wrongLength(this.#object, this.#size, "more");
    }
    return bytes;
  }

  /** CRC32C of everything that was read. Called once. */
  async hex(): Promise<string> {
    const hasher = this.#hasher ?? await createHasher("crc32c");
    return hasher.hex();
  }

  close(): void {
    this.#reader.close();
  }

  async #skipTo(offset: number): Promise<void> {
    const buffer = new Uint8Array(Math.max(0, Math.min(SKIP_BYTES, offset - this.#at)));
    while (this.#at < offset) await this.#must(buffer.subarray(0, offset - this.#at));
  }

  async #must(into: Uint8Array): Promise<void> {
    if (await this.read(into) === null) {
      throw wrongLength(this.#object, this.#size, "fewer");
    }
  }
}

/** What an upload works with. */
export interface Session {
  requests: GcsRequests;
  /** Path and query of the session's URI. Whoever has it may write the object: never to be shown. */
  path: string;
  /** URI of the object. */
  object: string;
}

/** A session and what it has. */
export class ResumableUpload implements MultipartUpload {
  readonly #session: Session;
  /** Bytes of finished parts, and their CRC32C. */
  #accepted = 0;
  #crc32c = CRC32C_OF_NOTHING;
  /** The last bytes of finished parts, which the session has not been given. */
  #carry = new Uint8Array(0);
  /** Bytes that the session has. */
  #persisted = 0;
  /** A request broke, so that `#persisted` may be too low. */
  #isUnsure = false;
  #parts = 0;
  #result: ObjectInfo | null = null;
  #isAborted = false;
  #isRemoved = false;

  constructor(session: Session) {
    this.#session = session;
  }

  async part(number: number, source: ByteSource, options: PutOptions): Promise<void> {
    const { object } = this.#session;
    this.#assertOpen();
    if (number !== this.#parts + 1) {
      throw cannot(`store part ${number} of`, object, {
        unsupported: `parts must come in order, expected part ${this.#parts + 1}`,
      });
    }
    let pass: Pass | null = null;
    const open = () => {
      pass?.close();
      return pass = new Pass(source, object);
    };
    try {
      const end = this.#accepted + source.size;
      const target = end - end % CHUNK_BYTES;
      await this.#sendUntil(target, { open, signal: options.signal });
      const last: Pass = pass ?? open();
      const rest = await orAborted(
        last.rest(Math.max(0, target - this.#accepted), source.size),
        options.signal,
        object,
      );
      this.#crc32c = combine("crc32c", this.#crc32c, await last.hex(), source.size);
      this.#carry = target > this.#carryStart() ? rest : concat(this.#carry, rest);
      this.#accepted = end;
      this.#parts = number;
    } finally {
      (pass as Pass | null)?.close();
    }
  }

  async complete({ signal }: CallOptions): Promise<ObjectInfo> {
    if (this.#result !== null) return this.#result;
    this.#assertOpen();
    if (this.#isUnsure) this.#result = await this.#ask(signal);
    while (this.#result === null) this.#result = await this.#sendLast(signal);
    const { size, checksum } = this.#result;
    const isWrong = checksum?.name === "crc32c" && checksum.hex !== this.#crc32c;
    if (size !== this.#accepted || isWrong) {
      const { object } = this.#session;
      this.#result = null;
      throw cannot("store", object, {
        integrity: `sent ${this.#accepted} bytes with crc32c ${this.#crc32c}, the store has ${size} ` +
          `with ${checksum?.hex}`,
      });
    }
    return this.#result;
  }

  async abort({ signal }: CallOptions): Promise<void> {
    if (this.#result !== null || this.#isRemoved) return;
    this.#isAborted = true;
    const request = this.#request("abort the upload of", signal, {
      method: "DELETE",
      accepts: [CANCELLED, 404, 410],
    });
    (await this.#session.requests.send(request)).body.close();
    this.#isRemoved = true;
  }

  #assertOpen(): void {
    if (!this.#isAborted) return;
    const { object } = this.#session;
    throw cannot("store", object, { "not-found": "its upload was aborted" });
  }

  #request(verb: string, signal: AbortSignal, rest: Partial<GcsRequest>): GcsRequest {
    const { path, object } = this.#session;
    return { method: "PUT", path, verb, object, signal, accepts: [INCOMPLETE], ...rest };
  }

  /** Gives the session all bytes up to an offset. */
  async #sendUntil(
    target: number,
    { open, signal }: { open(): Pass; signal: AbortSignal },
  ): Promise<void> {
    if (this.#isUnsure && await this.#ask(signal) !== null) {
      throw this.#outOfStep("it ended before its last part");
    }
    while (this.#persisted < target) {
      const start = this.#persisted;
      const carried = this.#carry.subarray(Math.min(this.#carry.length, start - this.#carryStart()));
      const from = Math.max(0, start - this.#accepted);
      const to = target - this.#accepted;
      const pieces = [
        bytesSource(carried),
        { size: to - from, open: () => open().range(from, to) },
      ];
      const { status } = await this.#put(pieces, { range: `${start}-${target - 1}/*`, signal });
      if (status !== INCOMPLETE) throw this.#outOfStep("it ended before its last part");
      if (this.#persisted <= start) throw this.#outOfStep("it took no bytes");
    }
    // A part may be tried again, but not with other bytes than those that the session has.
    if (this.#persisted > target) throw this.#outOfStep(`it has ${this.#persisted} bytes of ${target}`);
  }

  /** Gives the session what is left, and the end. Null where it took less. */
  async #sendLast(signal: AbortSignal): Promise<ObjectInfo | null> {
    const start = this.#persisted;
    const total = this.#accepted;
    const pieces = [bytesSource(this.#carry.subarray(start - this.#carryStart()))];
    const range = start === total ? `*/${total}` : `${start}-${total - 1}/${total}`;
    const hash = ["x-goog-hash", `crc32c=${hexToBase64(this.#crc32c)}`] as const;
    const response = await this.#put(pieces, { range, signal, headers: [hash] });
    if (response.status !== INCOMPLETE) return await this.#resource(response, signal);
    if (this.#persisted <= start) throw this.#outOfStep("it took no bytes");
    return null;
  }

  async #put(
    pieces: ByteSource[],
    options: { range: string; signal: AbortSignal; headers?: (readonly [string, string])[] },
  ): Promise<HttpResponse> {
    const { range, signal, headers = [] } = options;
    const request = this.#request("store a part of", signal, {
      headers: [["Content-Range", `bytes ${range}`], ...headers],
      body: joined(pieces, this.#session.object),
    });
    this.#isUnsure = true;
    const response = await this.#session.requests.send(request);
    if (response.status === INCOMPLETE) this.#take(response);
    return response;
  }

  /** Asks what the session has. Gives the object where the session has ended. */
  async #ask(signal: AbortSignal): Promise<ObjectInfo | null> {
    const request = this.#request("resume the upload of", signal, {
      headers: [["Content-Range", "bytes */*"]],
      body: new Uint8Array(0),
    });
    const response = await this.#session.requests.send(request);
    if (response.status !== INCOMPLETE) return await this.#resource(response, signal);
    this.#take(response);
    return null;
  }

  /** Offset of the first carried byte. */
  #carryStart(): number {
    return this.#accepted - this.#carry.length;
  }

  /** Takes down what a reply says that the session has. */
  #take({ headers, body }: HttpResponse): void {
    body.close();
    const persisted = persistedBytes(headers.get("range"));
    if (persisted === null || persisted < this.#carryStart()) {
      throw this.#outOfStep(`it has ${persisted ?? "an unknown number of"} bytes`);
    }
    this.#persisted = persisted;
    this.#isUnsure = false;
  }

  async #resource({ body }: HttpResponse, signal: AbortSignal): Promise<ObjectInfo> {
    const { requests, object } = this.#session;
    const info = infoOfResource(await requests.parse(body, this.#request("store", signal, {})));
    if (info === null) throw malformed({ action: "store", object }, "no object");
    return info;
  }

  #outOfStep(detail: string): CopilotError {
    const { object } = this.#session;
    return malformed({ action: "store", object }, `the upload's session does not follow: ${detail}`);
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
