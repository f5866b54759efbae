/**
 * Google Cloud Storage by its JSON API (https://cloud.google.com/storage/docs/json_api/v1).
 *
 * - A version is a generation, which `ifGenerationMatch` pins.
 * - Bytes come as they are stored: without `Accept-Encoding: gzip` the server would unpack objects that were stored packed, and
 *   neither size nor checksum nor ranges would fit.
 * - Small objects go up with their CRC32C in one request, large ones by a resumable session; the server refuses bytes that do not
 *   fit, before anybody sees them.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { throwIfAborted } from "../../../system/abort.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { contentRange } from "../../../http/head.ts";
import { clientFor, type HttpClient, type HttpResponse } from "../../../http/client.ts";
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
import type { StoreUri } from "../../uri.ts";
import { shownUri } from "../../../shown_uri.ts";
import { GcsAddress } from "./address.ts";
import { crc32cOf, withMetadata } from "./body.ts";
import { type CredentialSource, openCredentials } from "./credentials.ts";
import { infoOfHeaders, infoOfResource, LIST_FIELDS, malformed, OBJECT_FIELDS, pageOf } from "./reply.ts";
import { GcsRequests } from "./transport.ts";
import { CHUNK_BYTES, ResumableUpload } from "./resumable.ts";

const TIB = 1024 ** 4;
const PAGE_OBJECTS = 1000;
const RANGE_NOT_SATISFIABLE = 416;
const NO_BODY = { read: () => Promise.resolve(null), close() {} };

const TRAITS: StoreTraits = {
  minPartBytes: CHUNK_BYTES,
  maxPartBytes: 5 * TIB,
  maxParts: Number.MAX_SAFE_INTEGER,
  maxPutBytes: 5 * TIB,
  orderedParts: true,
  partMultiple: CHUNK_BYTES,
  parallelRanges: true,
  sortedList: true,
};

/** What a store works with. */
interface GcsParts {
  address: GcsAddress;
  client: HttpClient;
  credentials: CredentialSource;
  requests: GcsRequests;
  randomHex(length: number): string;
}

/** A bucket. */
class GcsStore implements ObjectStore {
  readonly root: string;
  readonly traits = TRAITS;
  readonly #parts: GcsParts;

  constructor(root: string, parts: GcsParts) {
    this.root = root;
    this.#parts = parts;
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { start = 0, end = Infinity, ifMatch, signal } = options;
    if (start >= end) return this.#empty(await this.head(key, options), options);
    const object = this.#uri(key);
    const hasRange = start > 0 || end !== Infinity;
    const response = await this.#parts.requests.send({
      method: "GET",
      path: this.#parts.address.object(key, { alt: "media", ifGenerationMatch: ifMatch }),
      headers: [
        ["Accept-Encoding", "gzip"],
        ...(hasRange ? [["Range", `bytes=${start}-${end === Infinity ? "" : end - 1}`] as const] : []),
      ],
      verb: "read",
      object,
      signal,
      accepts: hasRange ? [RANGE_NOT_SATISFIABLE] : [],
    });
    if (response.status === RANGE_NOT_SATISFIABLE) {
      response.body.close();
      return this.#empty(await this.head(key, options), options);
    }
    try {
      return this.#got(key, response, options);
    } catch (thrown) {
      response.body.close();
      throw thrown;
    }
  }

  /** What a reply with bytes is. */
  #got(key: string, response: HttpResponse, { start = 0, end = Infinity, ifMatch }: GetOptions): GetResult {
    const { status, headers, length, body } = response;
    const object = this.#uri(key);
    const wrong = (detail: string) => malformed({ action: "read", object }, detail);
    const range = status === 206 ? contentRange(headers.get("content-range")) : null;
    if (status === 206 && (range === null || range.start !== start || range.end > end)) {
      throw cannot("read", object, { unsupported: "the reply is not the range that was asked for" });
    }
    const stored = headers.get("x-goog-stored-content-length");
    const size = range?.size ?? (stored === undefined ? length : Number(stored));
    if (size === undefined || length === undefined) throw wrong("the size is not known");
    if (length !== (range === null ? size : range.end - range.start)) {
      throw cannot("read", object, {
        integrity: `got ${length} bytes of an object of ${size}: something on the way changes them`,
      });
    }
    const info = infoOfHeaders(key, headers, size);
    // The hash of a range's reply is that of the whole object only by custom.
    if (range !== null) delete info.checksum;
    this.#assertVersion(info, ifMatch);
    return { info, start: range?.start ?? 0, length, body };
  }

  #empty(info: ObjectInfo, { start = 0, ifMatch }: GetOptions): GetResult {
    this.#assertVersion(info, ifMatch);
    return { info, start, length: 0, body: NO_BODY };
  }

  /** For servers that do not know `ifGenerationMatch`, and for replies without range, where the client asks once more. */
  #assertVersion(info: ObjectInfo, ifMatch: string | undefined): void {
    if (ifMatch === undefined || info.etag === ifMatch) return;
    const object = this.#uri(info.key);
    throw cannot("read", object, { changed: `it is generation ${info.etag}, expected ${ifMatch}` });
  }

  async head(key: string, { signal }: CallOptions): Promise<ObjectInfo> {
    const object = this.#uri(key);
    const resource = await this.#parts.requests.json({
      method: "GET",
      path: this.#parts.address.object(key, { fields: OBJECT_FIELDS }),
      verb: "stat",
      object,
      signal,
    });
    const info = infoOfResource(resource);
    if (info === null || info.key !== key) {
      throw malformed({ action: "stat", object }, "no such object");
    }
    return info;
  }

  async list(prefix: string, { signal, token }: ListOptions): Promise<ListPage> {
    const object = this.#uri(prefix);
    const page = await this.#parts.requests.json({
      method: "GET",
      path: this.#parts.address.objects({
        prefix: prefix === "" ? undefined : prefix,
        pageToken: token,
        maxResults: PAGE_OBJECTS,
        fields: LIST_FIELDS,
      }),
      verb: "list",
      object,
      signal,
    });
    return pageOf(page, { prefix, object });
  }

  async put(key: string, source: ByteSource, { checksum, signal }: PutOptions): Promise<ObjectInfo> {
    const object = this.#uri(key);
    throwIfAborted(signal, object);
    const crc32c = await crc32cOf(source, { expected: checksum, object, signal });
    const boundary = this.#parts.randomHex(32);
    const { body, contentType } = withMetadata(source, { crc32c, boundary, object });
    const resource = await this.#parts.requests.json({
      method: "POST",
      path: this.#parts.address.uploads(key, { uploadType: "multipart", fields: OBJECT_FIELDS }),
      headers: [["Content-Type", contentType]],
      body,
      verb: "store",
      object,
      signal,
    });
    const info = infoOfResource(resource);
    if (info === null || info.key !== key || info.size !== source.size) {
      throw malformed({ action: "store", object }, "not the object that was sent");
    }
    return info;
  }

  async beginUpload(key: string, { signal }: CallOptions): Promise<MultipartUpload> {
    const { address, requests } = this.#parts;
    const object = this.#uri(key);
    const { headers, body } = await requests.send({
      method: "POST",
      path: address.uploads(key, { uploadType: "resumable", fields: OBJECT_FIELDS }),
      headers: [
        ["Content-Type", "application/json; charset=UTF-8"],
        ["X-Upload-Content-Type", "application/octet-stream"],
      ],
      body: new TextEncoder().encode("{}"),
      verb: "begin the upload of",
      object,
      signal,
    });
    body.close();
    const location = URL.parse(headers.get("location") ?? "", address.origin.key);
    if (!location?.searchParams.has("upload_id")) {
      throw malformed({ action: "begin the upload of", object }, "no session");
    }
    // Only the path is taken: no reply sends this program's tokens elsewhere.
    return new ResumableUpload({ requests, path: `${location.pathname}${location.search}`, object });
  }

  async delete(key: string, { signal }: CallOptions): Promise<void> {
    const { body } = await this.#parts.requests.send({
      method: "DELETE",
      path: this.#parts.address.object(key, {}),
      verb: "delete",
      object: this.#uri(key),
      signal,
      accepts: [404],
    });
    body.close();
  }

  close(): void {
    this.#parts.client.close();
    this.#parts.credentials.close();
  }

  #uri(key: string): string {
    return shownUri(`${this.root}/${key}`);
  }
}

/** Opens buckets. */
export const backend: Backend = {
  open(uri: StoreUri, settings: StoreSettings, context: BackendContext): Promise<ObjectStore> {
    const address = new GcsAddress(uri.container, settings, context.env);
    const credentials = openCredentials(settings, context);
    const client = clientFor(context);
    const { clock, randomHex } = context.system;
    const requests = new GcsRequests({ client, origin: address.origin, tokens: credentials.tokens, clock });
    const parts = { address, client, credentials, requests, randomHex };
    return Promise.resolve(new GcsStore(`gs://${uri.container}`, parts));
  },
};
