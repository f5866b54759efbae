/**
 * A Redis server as an object store.
 * @module
 */
import { cannot, CopilotError } from "../../../errors.ts";
import { EMPTY_BODY } from "../../../http/body.ts";
import type { Channel } from "../../../http/channel.ts";
import type {
  ByteSource,
  CallOptions,
  GetOptions,
  GetResult,
  ListOptions,
  ListPage,
  MultipartUpload,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreTraits,
} from "../../store.ts";
import { ValueBody } from "./body.ts";
import { type About, type RedisClient, sendCommands } from "./client.ts";
import { redisError } from "./faults.ts";
import { listKeys } from "./listing.ts";
import { type Argument, Fault, type Head, readHead, readReply } from "./resp.ts";
import { RedisUpload, UPLOADS } from "./upload.ts";
import { shownUri } from "../../../text/shown_uri.ts";

const MIB = 1024 * 1024;
/** Redis's bound for a string value (proto-max-bulk-len). */
const MAX_VALUE_BYTES = 512 * MIB;

// deno-lint-ignore no-control-regex -- they are what is refused
const CONTROL = /[\0-\x1f\x7f]/;

const TRAITS: StoreTraits = {
  minPartBytes: 1,
  // Together the largest value: an upload that cannot end is refused before it begins.
  maxPartBytes: 16 * MIB,
  maxParts: MAX_VALUE_BYTES / (16 * MIB),
  maxPutBytes: MAX_VALUE_BYTES,
  orderedParts: true,
  partMultiple: 1,
  // Redis answers one command at a time, and a copy of the range is in its memory until it is sent.
  parallelRanges: false,
  sortedList: true,
  encrypted: false,
};

/** One server. */
export class RedisStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits;
  readonly #client: RedisClient;
  readonly #newId: () => string;

  /** @param newId gives a name that no other upload has */
  constructor(root: string, client: RedisClient, newId: () => string) {
    this.root = root;
    this.traits = { ...TRAITS, encrypted: root.startsWith("rediss:") };
    this.#client = client;
    this.#newId = newId;
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { start = 0, end, ifMatch, signal } = options;
    if (ifMatch !== undefined) throw this.#unversioned(key);
    if (end !== undefined && end <= start) {
      const info = await this.head(key, { signal });
      return { info, start, length: 0, body: EMPTY_BODY };
    }
    const about = this.#about(key, signal);
    const channel = await this.#client.acquire(about);
    try {
      // In one transaction, so that size and bytes are of the same value.
      const last = end === undefined ? -1 : end - 1;
      const { size, head } = await this.#transact(channel, about, ["GETRANGE", key, start, last]);
      if (head.kind !== "bulk") throw this.#unexpected(about, head);
      const release = (isWhole: boolean) => this.#client.release(channel, { isWhole });
      const body = new ValueBody(channel, head.length, release);
      return { info: { key, size }, start, length: head.length, body };
    } catch (thrown) {
      const isWhole = thrown instanceof CopilotError && thrown.code === "not-found";
      this.#client.release(channel, { isWhole });
      throw thrown;
    }
  }

  async head(key: string, { signal }: CallOptions): Promise<ObjectInfo> {
    const about = this.#about(key, signal);
    const commands: Argument[][] = [["MULTI"], ["EXISTS", key], ["STRLEN", key], ["EXEC"]];
    const replies = await this.#client.pipeline(about, commands);
    const fault = replies.flat().find((reply) => reply instanceof Fault);
    if (fault !== undefined) throw redisError(fault, { action: "stat", object: about.object });
    const [exists, size] = replies.at(-1) as [number, number];
    if (exists === 0) throw this.#missing("stat", about);
    return { key, size };
  }

  async list(prefix: string, { token, signal }: ListOptions): Promise<ListPage> {
    const about = this.#sendable({ key: prefix, object: this.#uri(prefix), signal });
    return await listKeys(this.#client, about, { prefix, after: token });
  }

  async put(key: string, source: ByteSource, { signal }: PutOptions): Promise<ObjectInfo> {
    const about = this.#about(key, signal);
    if (source.size > MAX_VALUE_BYTES) {
      throw cannot("write", about.object, {
        unsupported: `it has ${source.size} bytes, and Redis takes at most ${MAX_VALUE_BYTES}`,
      });
    }
    await this.#client.upload(about, "write", ["SET", key], source);
    return { key, size: source.size };
  }

  async beginUpload(key: string, { signal }: CallOptions): Promise<MultipartUpload> {
    const upload = new RedisUpload(this.#client, {
      key,
      object: this.#about(key, signal).object,
      temporary: `${UPLOADS}${this.#newId()}`,
    });
    await upload.begin({ signal });
    return upload;
  }

  async delete(key: string, { signal }: CallOptions): Promise<void> {
    const about = this.#about(key, signal);
    await this.#client.command(about, "delete", ["DEL", key]);
  }

  close(): void {
    this.#client.close();
  }

  #uri(key: string): string {
    return shownUri(`${this.root}/${key}`);
  }

  /** Redis takes any key; whatever else may listen where a URI leads must not find a line of its own protocol in one. */
  #sendable({ key, ...about }: About & { key: string }): About {
    if (!CONTROL.test(key)) return about;
    throw cannot("use", about.object, {
      input: "its key has control characters, which are never sent to Redis",
    });
  }

  #about(key: string, signal: AbortSignal): About {
    const object = this.#uri(key);
    if (key === "") {
      throw new CopilotError("input", {
        action: "use",
        object,
        via: "as an object",
        detail: "it has no key",
      });
    }
    return this.#sendable({ key, object, signal });
  }

  /** Sends EXISTS, STRLEN and a last command as a transaction; gives the size and the start of the last one's reply. */
  async #transact(
    channel: Channel,
    about: About,
    last: Argument[],
  ): Promise<{ size: number; head: Head }> {
    const key = last[1]!;
    const queued: Argument[][] = [["MULTI"], ["EXISTS", key], ["STRLEN", key], last];
    await sendCommands(channel, [...queued, ["EXEC"]]);
    for (let i = 0; i < queued.length; i++) this.#checked(await readReply(channel), about);
    const exec = await readHead(channel);
    if (exec.kind !== "array") throw this.#unexpected(about, exec);
    const exists = this.#checked(await readReply(channel), about);
    const size = this.#checked(await readReply(channel), about);
    if (exists === 0) {
      // The rest of the reply is short, and with it the connection is free.
      await readReply(channel);
      throw this.#missing("read", about);
    }
    return { size: size as number, head: await readHead(channel) };
  }

  #checked<T>(reply: T, about: About): Exclude<T, Fault> {
    if (reply instanceof Fault) throw redisError(reply, { action: "read", object: about.object });
    return reply as Exclude<T, Fault>;
  }

  #unexpected(about: About, head: Head): CopilotError {
    if (head.kind === "done") this.#checked(head.reply, about);
    return cannot("read", about.object, { network: "the reply does not fit the request" });
  }

  #missing(action: string, { object }: About): CopilotError {
    return cannot(action, object, { "not-found": "no such key" });
  }

  #unversioned(key: string): CopilotError {
    const object = this.#uri(key);
    return cannot("read", object, { unsupported: "Redis has no versions of a value" });
  }
}
