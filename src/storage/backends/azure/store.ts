/**
 * A container as an object store.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { throwIfAborted } from "../../../system/abort.ts";
import { emptyResult, isEmptyRange, openedReply, rangeOf } from "../../cloud/ranged_get.ts";
import { discard } from "../../cloud/server_words.ts";
import {
  type ByteSource,
  type CallOptions,
  type GetOptions,
  type GetResult,
  type ListOptions,
  type ListPage,
  type MultipartUpload,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
  readAll,
  type StoreTraits,
} from "../../store.ts";
import { shownUri } from "../../../text/shown_uri.ts";
import { BlockUpload } from "./blocks.ts";
import { payloadOf } from "./payload.ts";
import { infoOf, parseList } from "./reply.ts";
import { Refusal, type Transport } from "./transport.ts";

const MIB = 1024 ** 2;
/** A page of names with their properties is then a few megabytes of XML at most. */
const PAGE_OBJECTS = 2000;
const MAX_PAGE_BYTES = 32 * MIB;

/** One container. */
export class AzureStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits;
  readonly #transport: Transport;
  readonly #randomHex: (length: number) => string;
  /** Until a page shows another order: by path component, or by UTF-16 as azurite has it. */
  #isSorted = true;

  constructor(
    root: string,
    transport: Transport,
    options: { randomHex(length: number): string; encrypted: boolean },
  ) {
    this.root = root;
    this.#transport = transport;
    this.#randomHex = options.randomHex;
    const isSorted = () => this.#isSorted;
    // Limits: https://learn.microsoft.com/rest/api/storageservices/put-block, section "Remarks".
    this.traits = {
      minPartBytes: 1,
      maxPartBytes: 4000 * MIB,
      maxParts: 50_000,
      maxPutBytes: 5000 * MIB,
      orderedParts: false,
      partMultiple: 1,
      parallelRanges: true,
      encrypted: options.encrypted,
      get sortedList() {
        return isSorted();
      },
    };
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { ifMatch, signal } = options;
    if (isEmptyRange(options)) return emptyResult(await this.head(key, options), options);
    const range = rangeOf(options);
    const headers: [string, string][] = range === null ? [] : [["x-ms-range", range]];
    if (ifMatch !== undefined) headers.push(["if-match", ifMatch]);
    const object = this.#uri(key);
    try {
      const reply = await this.#transport.send({ method: "GET", verb: "read", key, object, signal, headers });
      if (reply.status !== 206 || reply.length !== 0) {
        return openedReply(reply, options, { object, infoOf: (headers, size) => infoOf(key, headers, size) });
      }
      // Azurite's answer to a range behind the end, where Azure says 416.
      reply.body.close();
    } catch (thrown) {
      if (!(thrown instanceof Refusal) || thrown.status !== 416) throw thrown;
    }
    return emptyResult(await this.head(key, options), options);
  }

  async head(key: string, { signal, ifMatch }: CallOptions & { ifMatch?: string }): Promise<ObjectInfo> {
    const { headers } = await this.#transport.send({
      method: "HEAD",
      verb: "stat",
      key,
      headers: ifMatch === undefined ? [] : [["if-match", ifMatch]],
      object: this.#uri(key),
      signal,
    });
    return infoOf(key, headers, Number(headers.get("content-length") ?? 0));
  }

  async list(prefix: string, { token, signal }: ListOptions): Promise<ListPage> {
    const object = this.#uri(prefix);
    const reply = await this.#transport.send({
      method: "GET",
      verb: "list",
      key: null,
      query: [
        ["restype", "container"],
        ["comp", "list"],
        // Tells directories of a hierarchical namespace.
        ["include", "metadata"],
        ["maxresults", String(PAGE_OBJECTS)],
        ...(prefix === "" ? [] : [["prefix", prefix] as const]),
        ...(token === undefined ? [] : [["marker", token] as const]),
      ],
      object,
      signal,
    });
    const tooLarge = () =>
      cannot("list", object, { network: `a page is larger than ${MAX_PAGE_BYTES} bytes` });
    const bytes = await readAll(reply.body, MAX_PAGE_BYTES, tooLarge);
    const { isSorted, ...page } = parseList(new TextDecoder().decode(bytes), object);
    this.#isSorted &&= isSorted;
    return page;
  }

  async put(key: string, source: ByteSource, { signal, checksum }: PutOptions): Promise<ObjectInfo> {
    const object = this.#uri(key);
    throwIfAborted(signal, object);
    const { header, body } = await payloadOf(source, { checksum, object, signal });
    const headers = [["x-ms-blob-type", "BlockBlob"], header] as const;
    const reply = await this.#transport.send({
      method: "PUT",
      verb: "write",
      key,
      headers,
      body,
      object,
      signal,
    });
    await discard(reply);
    return infoOf(key, reply.headers, source.size);
  }

  async beginUpload(key: string, options: CallOptions): Promise<MultipartUpload> {
    const object = this.#uri(key);
    const upload = new BlockUpload({ key, object, id: this.#randomHex(16), transport: this.#transport });
    await upload.begin(options);
    return upload;
  }

  async delete(key: string, { signal }: CallOptions): Promise<void> {
    try {
      // A blob with snapshots is not deleted without them.
      const headers = [["x-ms-delete-snapshots", "include"]] as const;
      const about = { key, headers, object: this.#uri(key), signal };
      await discard(await this.#transport.send({ method: "DELETE", verb: "delete", ...about }));
    } catch (thrown) {
      const isMissing = thrown instanceof Refusal && thrown.code === "not-found" &&
        thrown.azureCode !== "ContainerNotFound";
      if (!isMissing) throw thrown;
    }
  }

  close(): void {
    this.#transport.close();
  }

  #uri(key: string): string {
    return shownUri(`${this.root}/${key}`);
  }
}
