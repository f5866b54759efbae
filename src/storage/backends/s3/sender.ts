/**
 * Sends an object's or a part's bytes with a checksum of them, in the way that the store takes.
 * @module
 */
import { crc32 } from "node:zlib";
import { cannot } from "../../../errors.ts";
import { base64ToHex, hexToBase64 } from "../../checksum.ts";
import { sumOf } from "../../cloud/source_sums.ts";
import { discard } from "../../cloud/server_words.ts";
import type { HttpHeaders } from "../../../http/head.ts";
import type { ByteSource, Checksum, PutOptions } from "../../store.ts";
import { awsChunked, crcHex, type FramedBody, TRAILER } from "./aws_chunked.ts";
import type { ChecksumPolicy, ChecksumUse } from "./checksum_policy.ts";
import { checksumHeader } from "./reply.ts";
import { sha256Hex, UNSIGNED_PAYLOAD, UNSIGNED_TRAILER } from "./sigv4.ts";
import type { ObjectRequest, Transport } from "./transport.ts";

/** Where bytes go. */
export interface Target {
  key: string;
  /** Canonical query of a part. */
  query: string;
}

/** What a store said about bytes that it took. */
export interface Sent {
  headers: HttpHeaders;
  /** CRC32 in hexadecimal; absent where the store takes no checksums. */
  crc?: string;
}

/** A request as far as the way of the checksum shapes it. */
interface Shaped {
  headers: [string, string][];
  payload: string;
  body: NonNullable<ObjectRequest["body"]>;
  framed?: FramedBody;
}

/** Sends uploads of one store. */
export class Sender {
  readonly #transport: Transport;
  readonly #policy: ChecksumPolicy;

  constructor(transport: Transport, policy: ChecksumPolicy) {
    this.#transport = transport;
    this.#policy = policy;
  }

  /**
   * Sends a source's bytes with PUT.
   *
   * @throws Refusal by the server; CopilotError `changed` for a source that is not as long as it said, `integrity` where the
   * store got other bytes
   */
  async send(target: Target, source: ByteSource, options: PutOptions): Promise<Sent> {
    const { bytes } = source;
    if (bytes === undefined) return await this.#sendBytes(target, source, options);
    // Known before it is sent, so it fits a header.
    const checksum = options.checksum ?? { name: "crc32", hex: crcHex(crc32(bytes)) };
    return await this.#sendBytes(target, bytes, { signal: options.signal, checksum });
  }

  async #sendBytes(target: Target, bytes: Uint8Array | ByteSource, options: PutOptions): Promise<Sent> {
    let { checksum } = options;
    const wishes = checksum === undefined ? ["trailer", "header"] as const : ["header"] as const;
    return await this.#policy.send(target.query === "" ? "put" : "part", wishes, async (use) => {
      if (use === "header" && !(bytes instanceof Uint8Array)) {
        checksum ??= {
          name: "crc32",
          hex: await sumOf(bytes, "crc32", {
            object: this.#transport.uri(target.key),
            signal: options.signal,
          }),
        };
      }
      const shaped = this.#shape(use, { bytes, checksum, key: target.key });
      const reply = await this.#transport.send({
        method: "PUT",
        ...target,
        headers: shaped.headers,
        payload: shaped.payload,
        body: shaped.body,
        signal: options.signal,
      });
      await discard(reply);
      return this.#verify(reply.headers, { use, shaped, checksum, key: target.key });
    });
  }

  #shape(
    use: ChecksumUse,
    { bytes, checksum, key }: { bytes: Uint8Array | ByteSource; checksum: Checksum | undefined; key: string },
  ): Shaped {
    if (use === "trailer" && !(bytes instanceof Uint8Array)) {
      const framed = awsChunked(bytes, this.#transport.uri(key));
      return {
        framed,
        body: framed,
        payload: UNSIGNED_TRAILER,
        headers: [
          ["content-encoding", "aws-chunked"],
          ["x-amz-decoded-content-length", String(bytes.size)],
          ["x-amz-trailer", TRAILER],
        ],
      };
    }
    const headers: [string, string][] = use === "header" && checksum !== undefined
      ? [checksumField(checksum)]
      : [];
    if (!(bytes instanceof Uint8Array)) {
      const body = { length: bytes.size, open: () => bytes.open() };
      return { headers, body, payload: UNSIGNED_PAYLOAD };
    }
    // TLS protects the bytes; without it the signature does.
    const payload = this.#transport.address.origin.secure ? UNSIGNED_PAYLOAD : sha256Hex(bytes);
    return { headers, body: bytes, payload };
  }

  /** Compares what the store says it has; null where the bytes have to be sent again in another way. */
  #verify(
    headers: HttpHeaders,
    { use, shaped, checksum, key }: {
      use: ChecksumUse;
      shaped: Shaped;
      checksum: Checksum | undefined;
      key: string;
    },
  ): Sent | null {
    const sent = shaped.framed !== undefined ? { name: "crc32" as const, hex: shaped.framed.crc } : checksum;
    const echo = sent === undefined ? undefined : headers.get(checksumHeader(sent.name));
    // Taken without its checksum being given back: the store may have stored the framing.
    if (use === "trailer" && echo === undefined) return null;
    if (use !== "none" && echo !== undefined && base64ToHex(echo) !== sent!.hex) {
      const object = this.#transport.uri(key);
      throw cannot("write", object, {
        integrity: `the store has bytes with ${sent!.name} ${base64ToHex(echo)}, sent were ${sent!.hex}`,
      });
    }
    return { headers, ...(use !== "none" && sent?.name === "crc32" && { crc: sent.hex }) };
  }
}

function checksumField({ name, hex }: Checksum): [string, string] {
  return [name === "md5" ? "content-md5" : checksumHeader(name), hexToBase64(hex)];
}
