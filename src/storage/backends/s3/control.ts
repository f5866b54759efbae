/**
 * Listing and the control of multipart uploads: small requests whose replies are XML.
 *
 * Not the AWS SDK's: loading its client costs 12 MiB and 65 ms, and a page of a listing more garbage than the objects on it.
 * @module
 */
import { encodeText } from "../../cloud/percent_encoding.ts";
import { cannot, CopilotError } from "../../../errors.ts";
import { hexToBase64 } from "../../checksum.ts";
import type { ListPage } from "../../store.ts";
import type { ChecksumPolicy } from "./checksum_policy.ts";
import { decodeListed, parseListing, type S3Page, UnlistableKey } from "./listing.ts";
import { isKnownCode, type S3Fault } from "./reply.ts";
import { EMPTY_PAYLOAD, sha256Hex } from "./sigv4.ts";
import { Refusal, type Transport } from "./transport.ts";
import { escapeXml, readXml } from "../../cloud/xml.ts";

/** A part that the store has. */
export interface UploadedPart {
  number: number;
  size: number;
  etag: string;
  /** CRC32 in hexadecimal. */
  crc?: string;
}

/** An upload that the store has opened. */
export interface OpenedUpload {
  id: string;
  /** The store keeps checksums of its parts. */
  hasChecksums: boolean;
  /** It checks one of the whole object. */
  isFullObject: boolean;
}

/** What an upload's parts make. */
interface WholeObject {
  parts: readonly UploadedPart[];
  /** Bytes. */
  size: number;
  /** CRC32 in hexadecimal; undefined where a part has none. */
  crc: string | undefined;
}

/** A call's key and signal. */
interface About {
  key: string;
  signal: AbortSignal;
}

const NO_BODY = new Uint8Array(0);
const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** Listing and multipart control of one store. */
export class Control {
  readonly #transport: Transport;
  readonly #policy: ChecksumPolicy;
  /** The store does not know ListObjectsV2. */
  #listsV1 = false;

  constructor(transport: Transport, policy: ChecksumPolicy) {
    this.#transport = transport;
    this.#policy = policy;
  }

  /**
   * A page of the keys below a prefix, by ListObjectsV2. A store that does not know it answers as to ListObjects, without a
   * continuation token, or refuses; it is listed by ListObjects from then on, whose tokens are keys.
   */
  async list(prefix: string, options: { token: string | undefined; signal: AbortSignal }): Promise<ListPage> {
    const { isV1, ...page } = await this.#versioned(prefix, options);
    this.#listsV1 ||= isV1;
    return page;
  }

  async #versioned(
    prefix: string,
    options: { token: string | undefined; signal: AbortSignal },
  ): Promise<S3Page> {
    if (this.#listsV1) return await this.#page(prefix, { ...options, version: 1 });
    try {
      return await this.#page(prefix, { ...options, version: 2 });
    } catch (thrown) {
      if (!(thrown instanceof Refusal) || !isUnknownVersion(thrown.fault) || options.token !== undefined) {
        throw thrown;
      }
      return { ...await this.#page(prefix, { ...options, version: 1 }), isV1: true };
    }
  }

  async #page(
    prefix: string,
    { token, signal, version }: { token: string | undefined; signal: AbortSignal; version: 1 | 2 },
  ): Promise<S3Page> {
    const tokenName = version === 2 ? "continuation-token" : "marker";
    const query = [
      ...(token === undefined ? [] : [`${tokenName}=${encodeText(token)}`]),
      // XML cannot hold every character that a key can.
      "encoding-type=url",
      ...(version === 2 ? ["list-type=2"] : []),
      `prefix=${encodeText(prefix)}`,
    ].sort().join("&");
    const about = { key: prefix, signal };
    const document = await this.#transport.document({
      ...about,
      of: "bucket",
      method: "GET",
      query,
      headers: [],
      payload: EMPTY_PAYLOAD,
    });
    return this.#understood(about, () => parseListing(document, prefix));
  }

  /** Ids of the uploads of a key that nobody has ended; of a page of them. */
  async openUploads(about: About): Promise<string[]> {
    const { xml } = await this.#transport.document({
      ...about,
      of: "bucket",
      method: "GET",
      query: `encoding-type=url&prefix=${encodeText(about.key)}&uploads=`,
      headers: [],
      payload: EMPTY_PAYLOAD,
    });
    return this.#understood(about, () => parseUploads(xml, about.key));
  }

  /** Opens an upload. */
  async create(about: About): Promise<OpenedUpload> {
    const { headers, xml } = await this.#policy.send("create", ["header"], (use) =>
      this.#transport.document({
        ...about,
        method: "POST",
        query: "uploads=",
        headers: use === "header"
          ? [["x-amz-checksum-algorithm", "CRC32"], ["x-amz-checksum-type", "FULL_OBJECT"]]
          : [],
        payload: EMPTY_PAYLOAD,
        body: NO_BODY,
      }));
    const id = this.#understood(about, () => required(xml, "InitiateMultipartUploadResult", "UploadId"));
    return {
      id,
      hasChecksums: headers.get("x-amz-checksum-algorithm") === "CRC32",
      isFullObject: headers.get("x-amz-checksum-type") === "FULL_OBJECT",
    };
  }

  /** Makes an object of parts, which are sorted by number. */
  async complete(
    about: About,
    upload: OpenedUpload,
    object: WholeObject,
  ): Promise<string | undefined> {
    const { xml } = await this.#policy.send("complete", ["header"], (use) => {
      const body = completionXml(object.parts, { hasChecksums: upload.hasChecksums && use === "header" });
      return this.#transport.document({
        ...about,
        method: "POST",
        query: `uploadId=${encodeText(upload.id)}`,
        headers: [
          ["content-type", "application/xml"],
          ...(upload.isFullObject && use === "header" ? wholeChecksum(object) : []),
        ],
        payload: sha256Hex(body),
        body,
      });
    });
    return this.#understood(about, () => required(xml, "CompleteMultipartUploadResult", "ETag"));
  }

  /** Removes an upload and its parts. */
  async abort(about: About, id: string): Promise<void> {
    const query = `uploadId=${encodeText(id)}`;
    await this.#transport.document({
      ...about,
      method: "DELETE",
      query,
      headers: [],
      payload: EMPTY_PAYLOAD,
    });
  }

  /** Runs a parser on a reply of success. */
  #understood<T>({ key }: About, parse: () => T): T {
    try {
      return parse();
    } catch (cause) {
      const object = this.#transport.uri(key);
      if (cause instanceof UnlistableKey) throw cannot("list", object, { unsupported: cause.message });
      const why = (cause as Error).message;
      throw new CopilotError("network", { action: "understand the reply about", object, detail: why, cause });
    }
  }
}

function completionXml(
  parts: readonly UploadedPart[],
  options: Pick<OpenedUpload, "hasChecksums">,
): Uint8Array {
  const list = parts.map((part) => partXml(part, options)).join("");
  const text = `<CompleteMultipartUpload xmlns="${NAMESPACE}">${list}</CompleteMultipartUpload>`;
  return new TextEncoder().encode(text);
}

function wholeChecksum({ size, crc }: WholeObject): [string, string][] {
  if (crc === undefined) return [];
  return [
    ["x-amz-checksum-crc32", hexToBase64(crc)],
    ["x-amz-checksum-type", "FULL_OBJECT"],
    ["x-amz-mp-object-size", String(size)],
  ];
}

function partXml(
  { number, etag, crc }: UploadedPart,
  { hasChecksums }: Pick<OpenedUpload, "hasChecksums">,
): string {
  const checksum = hasChecksums && crc !== undefined
    ? `<ChecksumCRC32>${hexToBase64(crc)}</ChecksumCRC32>`
    : "";
  return `<Part><ETag>${escapeXml(etag)}</ETag>${checksum}<PartNumber>${number}</PartNumber></Part>`;
}

/** The text of an element directly below the root. */
function required(xml: string, root: string, name: string): string {
  let found = "";
  const got = readXml(xml, (element, parent, text) => {
    if (element === name && parent === root) found = text.trim();
  });
  if (got !== root || found === "") throw new Error(`expected ${root} with ${name}, got ${got.slice(0, 40)}`);
  return found;
}

/** The ids of a key's uploads out of ListMultipartUploadsResult, which lists all keys that begin alike. */
function parseUploads(xml: string, key: string): string[] {
  const uploads: { Key: string; UploadId: string }[] = [];
  let upload = { Key: "", UploadId: "" };
  let encoding = "";
  const root = readXml(xml, (name, parent, text) => {
    if (parent === "Upload" && name in upload) upload[name as keyof typeof upload] = text;
    else if (parent !== "ListMultipartUploadsResult") return;
    else if (name === "EncodingType") encoding = text.trim();
    else if (name === "Upload") {
      uploads.push(upload);
      upload = { Key: "", UploadId: "" };
    }
  });
  if (root !== "ListMultipartUploadsResult") {
    throw new Error(`expected ListMultipartUploadsResult, got ${root.slice(0, 40)}`);
  }
  const decode = encoding === "url" ? decodeListed : (text: string) => text;
  return uploads.filter(({ Key }) => decode(Key) === key).map(({ UploadId }) => UploadId);
}

/** Whether a refusal may mean that the store does not know `list-type=2`. */
function isUnknownVersion({ status, code, message }: S3Fault): boolean {
  return status === 501 || code === "NotImplemented" ||
    (status === 400 && !isKnownCode(code) &&
      /list-type|ListObjectsV2|InvalidArgument/i.test(`${code} ${message}`));
}
