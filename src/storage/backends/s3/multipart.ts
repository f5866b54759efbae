/**
 * A multipart upload to S3.
 * @module
 */
import { encodeText } from "../../cloud/percent_encoding.ts";
import { CopilotError } from "../../../errors.ts";
import { combine } from "../../checksum.ts";
import type { ByteSource, CallOptions, MultipartUpload, ObjectInfo, PutOptions } from "../../store.ts";
import type { Control, OpenedUpload, UploadedPart } from "./control.ts";
import type { Sender } from "./sender.ts";
import type { Transport } from "./transport.ts";

/** What an upload works with. */
export interface MultipartOptions {
  key: string;
  upload: OpenedUpload;
  transport: Transport;
  control: Control;
  sender: Sender;
}

/** An upload under way. */
export class S3Multipart implements MultipartUpload {
  readonly #options: MultipartOptions;
  readonly #parts = new Map<number, UploadedPart>();

  constructor(options: MultipartOptions) {
    this.#options = options;
  }

  async part(number: number, source: ByteSource, options: PutOptions): Promise<void> {
    const { key, upload, sender, transport } = this.#options;
    const query = `partNumber=${number}&uploadId=${encodeText(upload.id)}`;
    // The upload was opened for CRC32: another checksum would be refused.
    const checksum = options.checksum?.name === "crc32" ? { checksum: options.checksum } : {};
    try {
      const sent = await sender.send({ key, query }, source, { signal: options.signal, ...checksum });
      const etag = sent.headers.get("etag") ?? "";
      this.#parts.set(number, {
        number,
        size: source.size,
        etag,
        ...(sent.crc !== undefined && { crc: sent.crc }),
      });
    } catch (thrown) {
      throw transport.error(thrown, `write part ${number} of`, key);
    }
  }

  async complete({ signal }: CallOptions): Promise<ObjectInfo> {
    const { key, upload, control, transport } = this.#options;
    const parts = [...this.#parts.values()].sort((a, b) => a.number - b.number);
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    const crc = wholeCrc(parts);
    try {
      const etag = await control.complete({ key, signal }, upload, { parts, size, crc });
      return {
        key,
        size,
        ...(etag !== undefined && { etag }),
        ...(crc !== undefined && upload.isFullObject && { checksum: { name: "crc32", hex: crc } }),
      };
    } catch (thrown) {
      throw transport.error(thrown, "complete the upload of", key);
    }
  }

  async abort({ signal }: CallOptions): Promise<void> {
    const { key, upload, control, transport } = this.#options;
    try {
      await control.abort({ key, signal }, upload.id);
    } catch (thrown) {
      const error = transport.error(thrown, "abort the upload of", key);
      if (!(error instanceof CopilotError) || error.code !== "not-found") throw error;
    }
  }
}

/** The CRC32 of all parts together; undefined where one has none. */
function wholeCrc(parts: readonly UploadedPart[]): string | undefined {
  let whole: string | undefined = "00000000";
  for (const { crc, size } of parts) {
    if (crc === undefined) return undefined;
    whole = combine("crc32", whole, crc, size);
  }
  return whole;
}
