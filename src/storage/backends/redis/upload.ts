/**
 * An upload in parts: a value under a name of its own that grows by each part, and takes the object's name at the end.
 *
 * SETRANGE and not APPEND: a part that is sent again because its reply was lost must not stand there twice. The temporary value
 * runs out by itself, should nobody be left to remove it.
 * @module
 */
import { cannot } from "../../../errors.ts";
import type { ByteSource, CallOptions, MultipartUpload, ObjectInfo, PutOptions } from "../../store.ts";
import type { About, RedisClient } from "./client.ts";
import { redisError } from "./faults.ts";
import { Fault } from "./resp.ts";

/** What the names of unfinished uploads begin with; listings leave them out. */
export const UPLOADS = ".copilot-upload:";

/** Longer than any run. */
const LIFETIME_S = 7 * 24 * 3600;

/** Where an upload goes. */
interface Names {
  key: string;
  /** URI of the object. */
  object: string;
  /** Key of the value that grows. */
  temporary: string;
}

/** One upload. */
export class RedisUpload implements MultipartUpload {
  readonly #client: RedisClient;
  readonly #names: Names;
  /** Bytes of each part. */
  #sizes: number[] = [];

  constructor(client: RedisClient, names: Names) {
    this.#client = client;
    this.#names = names;
  }

  async begin(options: CallOptions): Promise<void> {
    const command = ["SET", this.#names.temporary, "", "EX", LIFETIME_S];
    await this.#client.command(this.#about(options), "begin the upload of", command);
  }

  async part(number: number, source: ByteSource, options: PutOptions): Promise<void> {
    const { object, temporary } = this.#names;
    if (number > this.#sizes.length + 1) {
      throw cannot(`upload part ${number} of`, object, { internal: "parts must come in order" });
    }
    const before = this.#sizes.slice(0, number - 1);
    const command = ["SETRANGE", temporary, total(before)];
    await this.#client.upload(this.#about(options), "write", command, source);
    this.#sizes = [...before, source.size];
  }

  async complete(options: CallOptions): Promise<ObjectInfo> {
    const { key, object, temporary } = this.#names;
    const about = this.#about(options);
    const size = total(this.#sizes);
    const found = await this.#client.command(about, "complete the upload of", [
      "STRLEN",
      temporary,
    ]);
    if (found !== size && found !== 0) {
      throw cannot("complete the upload of", object, { changed: `it has ${found} bytes instead of ${size}` });
    }
    // What runs out would still do so under its new name.
    const commands = [["MULTI"], ["PERSIST", temporary], ["RENAME", temporary, key], ["EXEC"]];
    const replies = await this.#client.pipeline(about, commands);
    const fault = replies.flat().find((reply) => reply instanceof Fault);
    if (fault !== undefined) throw redisError(fault, { action: "complete the upload of", object });
    return { key, size };
  }

  async abort(options: CallOptions): Promise<void> {
    const command = ["DEL", this.#names.temporary];
    await this.#client.command(this.#about(options), "abort the upload of", command);
  }

  #about({ signal }: CallOptions): About {
    return { object: this.#names.object, signal };
  }
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}
