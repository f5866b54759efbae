/**
 * An upload in blocks.
 *
 * Azure knows blocks and lists of blocks, but no uploads: blocks wait at the blob's name, invisible, until a list commits them,
 * and those that no list names are dropped with the next commit or after a week. Nothing else removes them without making a blob
 * visible first. So `abort` only makes sure that this upload commits nothing; the blocks cost their storage for that week.
 * @module
 */
import { cannot, CopilotError } from "../../../errors.ts";
import type { ByteSource, CallOptions, MultipartUpload, ObjectInfo, PutOptions } from "../../store.ts";
import { payloadOf } from "./payload.ts";
import { infoOf } from "./reply.ts";
import { discard } from "../../cloud/server_words.ts";
import { Refusal, type Transport } from "./transport.ts";

/** What an upload works with. */
export interface BlockUploadOptions {
  key: string;
  /** URI of the key. */
  object: string;
  /** 16 hexadecimal digits of its own: uploads of one blob share a name space of blocks. */
  id: string;
  transport: Transport;
}

/** An upload under way. */
export class BlockUpload implements MultipartUpload {
  readonly #options: BlockUploadOptions;
  /** Bytes by number. */
  readonly #sizes = new Map<number, number>();
  #isAborted = false;

  constructor(options: BlockUploadOptions) {
    this.#options = options;
  }

  /**
   * Sends a byte as a block that no list will name: what would be refused is refused before gigabytes are read.
   */
  async begin({ signal }: CallOptions): Promise<void> {
    await this.#send(0, { verb: "begin the upload of", body: new Uint8Array(1), headers: [], signal });
  }

  async part(number: number, source: ByteSource, options: PutOptions): Promise<void> {
    const { object } = this.#options;
    const { signal, checksum } = options;
    this.#assertOpen();
    const { header, body } = await payloadOf(source, { checksum, object, signal });
    await this.#send(number, { verb: `write part ${number} of`, body, headers: [header], signal });
    this.#sizes.set(number, source.size);
  }

  async complete({ signal }: CallOptions): Promise<ObjectInfo> {
    const { key, object, transport } = this.#options;
    this.#assertOpen();
    const numbers = [...this.#sizes.keys()].sort((a, b) => a - b);
    // `Latest` finds a block also where an earlier try, whose reply was lost, has committed it.
    const blocks = numbers.map((number) => `<Latest>${this.#blockId(number)}</Latest>`).join("");
    const list = `<?xml version="1.0" encoding="utf-8"?><BlockList>${blocks}</BlockList>`;
    try {
      const reply = await transport.send({
        method: "PUT",
        verb: "complete the upload of",
        key,
        query: [["comp", "blocklist"]],
        body: new TextEncoder().encode(list),
        object,
        signal,
      });
      await discard(reply);
      const size = [...this.#sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
      // The MD5 in this reply is that of the list.
      const { checksum: _, ...info } = infoOf(key, reply.headers, size);
      return info;
    } catch (thrown) {
      if (!(thrown instanceof Refusal) || thrown.azureCode !== "InvalidBlockList") throw thrown;
      const detail = `${thrown.fault.detail}; another writer has replaced the blob`;
      throw new CopilotError("not-found", { ...thrown.fault, detail, cause: thrown });
    }
  }

  abort(): Promise<void> {
    this.#isAborted = true;
    return Promise.resolve();
  }

  #blockId(number: number): string {
    return btoa(`${this.#options.id}.${String(number).padStart(5, "0")}`);
  }

  async #send(
    number: number,
    request: {
      verb: string;
      body: Uint8Array | { length: number; open: ByteSource["open"] };
      headers: readonly (readonly [string, string])[];
      signal: AbortSignal;
    },
  ): Promise<void> {
    const { key, object, transport } = this.#options;
    const query = [["comp", "block"], ["blockid", this.#blockId(number)]] as const;
    await discard(await transport.send({ method: "PUT", key, query, object, ...request }));
  }

  #assertOpen(): void {
    if (this.#isAborted) {
      throw cannot("go on with the upload of", this.#options.object, { "not-found": "it was aborted" });
    }
  }
}
