/**
 * A bucket as an object store.
 * @module
 */
import type { BackendContext } from "../../backend.ts";
import type { HttpResponse } from "../../../http/client.ts";
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
import { emptyResult, isEmptyRange, openedReply, rangeOf } from "../../cloud/ranged_get.ts";
import { discard } from "../../cloud/server_words.ts";
import { ChecksumPolicy } from "./checksum_policy.ts";
import { Control } from "./control.ts";
import { EarlierUploads } from "./earlier_uploads.ts";
import { S3Multipart } from "./multipart.ts";
import { infoOf } from "./reply.ts";
import { Sender } from "./sender.ts";
import { EMPTY_PAYLOAD } from "./sigv4.ts";
import { type ObjectRequest, Refusal, Transport, type TransportOptions } from "./transport.ts";

const GIB = 1024 ** 3;

/** Limits of Amazon S3 (user guide, "Multipart upload limits"). */
const TRAITS: StoreTraits = {
  minPartBytes: 5 * 1024 * 1024,
  maxPartBytes: 5 * GIB,
  maxParts: 10_000,
  maxPutBytes: 5 * GIB,
  orderedParts: false,
  partMultiple: 1,
  parallelRanges: true,
  sortedList: true,
  encrypted: false,
};

/** Asks for the checksum that the object was stored with. */
const WITH_CHECKSUM = ["x-amz-checksum-mode", "ENABLED"] as const;

/** One bucket. */
export class S3Store implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits;
  readonly #transport: Transport;
  readonly #control: Control;
  readonly #policy = new ChecksumPolicy();
  readonly #sender: Sender;
  readonly #earlier: EarlierUploads;

  constructor(options: TransportOptions & { context: BackendContext }) {
    this.root = options.address.root;
    this.traits = { ...TRAITS, encrypted: options.address.origin.secure };
    this.#transport = new Transport(options);
    this.#control = new Control(this.#transport, this.#policy);
    this.#sender = new Sender(this.#transport, this.#policy);
    this.#earlier = new EarlierUploads(this.#transport, this.#control);
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { ifMatch, signal } = options;
    if (isEmptyRange(options)) return emptyResult(await this.head(key, options), options);
    const range = rangeOf(options);
    const headers: (readonly [string, string])[] = range === null ? [] : [["range", range]];
    if (ifMatch !== undefined) headers.push(["if-match", ifMatch]);
    try {
      const reply = await this.#read("get", { key, headers, signal });
      return openedReply(reply, options, {
        object: this.#transport.uri(key),
        infoOf: (headers, size) => infoOf(key, headers, size),
      });
    } catch (thrown) {
      const isPastEnd = thrown instanceof Refusal && thrown.fault.status === 416;
      if (isPastEnd) return emptyResult(await this.head(key, options), options);
      throw this.#transport.error(thrown, "read", key);
    }
  }

  async head(key: string, options: CallOptions & { ifMatch?: string }): Promise<ObjectInfo> {
    const { signal, ifMatch } = options;
    const headers = ifMatch === undefined ? [] : [["if-match", ifMatch] as const];
    try {
      const reply = await this.#read("head", { key, headers, signal });
      return infoOf(key, reply.headers, Number(reply.headers.get("content-length") ?? 0));
    } catch (thrown) {
      throw this.#transport.error(thrown, "stat", key);
    }
  }

  async list(prefix: string, { token, signal }: ListOptions): Promise<ListPage> {
    try {
      return await this.#control.list(prefix, { token, signal });
    } catch (thrown) {
      throw this.#transport.error(thrown, "list", prefix);
    }
  }

  async put(key: string, source: ByteSource, options: PutOptions): Promise<ObjectInfo> {
    try {
      const { headers } = await this.#sender.send({ key, query: "" }, source, options);
      return infoOf(key, headers, source.size);
    } catch (thrown) {
      throw this.#transport.error(thrown, "write", key);
    }
  }

  async beginUpload(key: string, { signal }: CallOptions): Promise<MultipartUpload> {
    await this.#earlier.remove(key, signal);
    try {
      const upload = await this.#control.create({ key, signal });
      const [transport, control, sender] = [this.#transport, this.#control, this.#sender];
      return new S3Multipart({ key, upload, transport, control, sender });
    } catch (thrown) {
      throw this.#transport.error(thrown, "begin the upload of", key);
    }
  }

  async delete(key: string, { signal }: CallOptions): Promise<void> {
    try {
      const reply = await this.#transport.send({
        method: "DELETE",
        key,
        headers: [],
        payload: EMPTY_PAYLOAD,
        signal,
      });
      await discard(reply);
    } catch (thrown) {
      if (thrown instanceof Refusal && thrown.fault.code === "NoSuchKey") return;
      throw this.#transport.error(thrown, "delete", key);
    }
  }

  close(): void {
    this.#transport.http.close();
  }

  /** Sends GET or HEAD, and asks for the stored checksum where the store takes the question. */
  #read(
    kind: "get" | "head",
    request: Pick<ObjectRequest, "key" | "headers" | "signal">,
  ): Promise<HttpResponse> {
    return this.#policy.send(kind, ["mode"], (use) =>
      this.#transport.send({
        method: kind.toUpperCase(),
        ...request,
        headers: use === "mode" ? [WITH_CHECKSUM, ...request.headers] : request.headers,
        payload: EMPTY_PAYLOAD,
      }));
  }
}
