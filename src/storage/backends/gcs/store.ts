/**
 * A bucket as an object store.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { throwIfAborted } from "../../../system/abort.ts";
import type { HttpHeaders } from "../../../http/head.ts";
import type { HttpClient, HttpResponse } from "../../../http/client.ts";
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
import { shownUri } from "../../../text/shown_uri.ts";
import { emptyResult, isEmptyRange, openedReply, rangeOf } from "../../cloud/ranged_get.ts";
import { sumOf } from "../../cloud/source_sums.ts";
import type { GcsAddress } from "./address.ts";
import { withMetadata } from "./body.ts";
import type { CredentialSource } from "./tokens.ts";
import { infoOfHeaders, infoOfResource, LIST_FIELDS, malformed, OBJECT_FIELDS, pageOf } from "./reply.ts";
import type { GcsRequests } from "./transport.ts";
import { CHUNK_BYTES, ResumableUpload } from "./resumable.ts";

const TIB = 1024 ** 4;
const PAGE_OBJECTS = 1000;
const RANGE_NOT_SATISFIABLE = 416;

const TRAITS: StoreTraits = {
  minPartBytes: CHUNK_BYTES,
  maxPartBytes: 5 * TIB,
  maxParts: Number.MAX_SAFE_INTEGER,
  maxPutBytes: 5 * TIB,
  orderedParts: true,
  partMultiple: CHUNK_BYTES,
  parallelRanges: true,
  sortedList: true,
  encrypted: false,
};

/** What a store works with. */
export interface GcsParts {
  address: GcsAddress;
  client: HttpClient;
  credentials: CredentialSource;
  requests: GcsRequests;
  randomHex(length: number): string;
}

/** A bucket. */
export class GcsStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits;
  readonly #parts: GcsParts;

  constructor(root: string, parts: GcsParts) {
    this.root = root;
    this.traits = { ...TRAITS, encrypted: parts.address.origin.secure };
    this.#parts = parts;
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { ifMatch, signal } = options;
    const range = rangeOf(options);
    if (isEmptyRange(options)) return this.#empty(key, options);
    const object = this.#uri(key);
    const response = await this.#parts.requests.send({
      method: "GET",
      path: this.#parts.address.object(key, { alt: "media", ifGenerationMatch: ifMatch }),
      headers: [["Accept-Encoding", "gzip"], ...(range === null ? [] : [["Range", range] as const])],
      verb: "read",
      object,
      signal,
      accepts: range === null ? [] : [RANGE_NOT_SATISFIABLE],
    });
    if (response.status === RANGE_NOT_SATISFIABLE) {
      response.body.close();
      return this.#empty(key, options);
    }
    try {
      assertStoredForm(response, object);
      const infoOf = (headers: HttpHeaders, size: number) => infoOfHeaders(key, headers, size);
      const got = openedReply(response, options, { object, infoOf });
      this.#assertVersion(got.info, ifMatch);
      return got;
    } catch (thrown) {
      response.body.close();
      throw thrown;
    }
  }

  async #empty(key: string, options: GetOptions): Promise<GetResult> {
    const info = await this.head(key, options);
    this.#assertVersion(info, options.ifMatch);
    return emptyResult(info, options);
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
    const crc32c = await sumOf(source, "crc32c", { expected: checksum, object, signal });
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

/** Throws CopilotError `integrity` for bytes that something on the way has unpacked: neither size nor checksum would fit. */
function assertStoredForm({ status, headers, length }: HttpResponse, object: string): void {
  const stored = headers.get("x-goog-stored-content-length");
  if (status === 206 || stored === undefined || length === Number(stored)) return;
  throw cannot("read", object, {
    integrity: `got ${
      length ?? "an unknown number of"
    } bytes of an object of ${stored}: something on the way changes them`,
  });
}
