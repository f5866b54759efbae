/**
 * A web server as an object store.
 * @module
 */
import { cannot } from "../../../errors.ts";
import type { BackendContext } from "../../backend.ts";
import type { HttpClient } from "../../../http/client.ts";
import { base64ToHex } from "../../checksum.ts";
import { contentRange, settledModified } from "../../../http/head.ts";
import type {
  ByteReader,
  CallOptions,
  GetOptions,
  GetResult,
  ListPage,
  MultipartUpload,
  ObjectInfo,
  ObjectStore,
  StoreTraits,
} from "../../store.ts";
import { shownUri } from "../../../text/shown_uri.ts";
import { emptyResult, isEmptyRange, rangeOf } from "../../cloud/ranged_get.ts";
import { fetchFollowing, type Reply } from "./fetch.ts";
import { isLinkLocal } from "../../link_local.ts";
import { GunzipBody, isGzip } from "./gunzip.ts";
import { measured } from "./measure.ts";
import { conditionOf, validatorOf } from "./validator.ts";

const TRAITS: StoreTraits = {
  minPartBytes: 1,
  maxPartBytes: 0,
  maxParts: 0,
  maxPutBytes: 0,
  orderedParts: false,
  partMultiple: 1,
  parallelRanges: true,
  sortedList: true,
  encrypted: false,
};

/** Statuses of servers that do not know HEAD. */
const NO_HEAD: ReadonlySet<number> = new Set([403, 405, 501]);

/** One host. */
export class HttpStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits;
  /** Scheme and host, credentials included. */
  readonly #base: string;
  readonly #client: HttpClient;
  readonly #context: BackendContext;
  readonly #allowsLinkLocal: boolean;

  constructor(
    base: string,
    client: HttpClient,
    options: { context: BackendContext; allowsLinkLocal: boolean },
  ) {
    this.#base = base;
    this.traits = { ...TRAITS, encrypted: /^https:/i.test(base) };
    this.root = shownUri(base);
    this.#client = client;
    this.#context = options.context;
    this.#allowsLinkLocal = options.allowsLinkLocal;
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { ifMatch } = options;
    if (isEmptyRange(options)) return await this.#empty(key, options);
    const range = rangeOf(options);
    const headers: [string, string][] = range === null ? [] : [["Range", range]];
    if (ifMatch !== undefined) headers.push(conditionOf(ifMatch));
    const reply = await this.#fetch("GET", key, { headers, signal: options.signal });
    if (reply.status === 416) {
      reply.body.close();
      return await this.#empty(key, options);
    }
    try {
      this.#check(key, reply, ifMatch);
      return await this.#opened(key, reply, options);
    } catch (thrown) {
      reply.body.close();
      throw thrown;
    }
  }

  async head(key: string, { signal, ifMatch }: CallOptions & { ifMatch?: string }): Promise<ObjectInfo> {
    const headers: [string, string][] = ifMatch === undefined ? [] : [conditionOf(ifMatch)];
    const reply = await this.#fetch("HEAD", key, { headers, signal });
    const size = isGzip(reply.headers) ? undefined : reply.headers.get("content-length");
    if (NO_HEAD.has(reply.status) || (reply.status === 200 && !/^[0-9]{1,15}$/.test(size ?? ""))) {
      const got = await this.get(key, { signal, ...(ifMatch !== undefined && { ifMatch }) });
      got.body.close();
      return got.info;
    }
    this.#check(key, reply, ifMatch);
    return infoOf(key, reply, Number(size));
  }

  list(prefix: string): Promise<ListPage> {
    return this.#unsupported(
      "list",
      prefix,
      "a web server has no listing, so a directory cannot be an http URL",
    );
  }

  put(key: string): Promise<ObjectInfo> {
    return this.#unsupported("write", key, "http stores are read only");
  }

  beginUpload(key: string): Promise<MultipartUpload> {
    return this.#unsupported("write", key, "http stores are read only");
  }

  delete(key: string): Promise<void> {
    return this.#unsupported("delete", key, "http stores are read only");
  }

  close(): void {
    this.#client.close();
  }

  #shown(key: string): string {
    return shownUri(`${this.root}/${key}`);
  }

  #unsupported(verb: string, key: string, why: string): Promise<never> {
    const object = this.#shown(key);
    return Promise.reject(cannot(`${verb}`, object, { unsupported: why }));
  }

  #fetch(
    method: string,
    key: string,
    options: { headers: [string, string][]; signal: AbortSignal },
  ): Promise<Reply> {
    return fetchFollowing(`${this.#base}/${key}`, {
      method,
      ...options,
      client: this.#client,
      now: this.#context.system.clock.nowMs,
      admit: async (url, hostname, hop) => {
        if (!this.#allowsLinkLocal && isLinkLocal(hostname)) {
          const object = shownUri(url);
          throw cannot("read", object, {
            denied: "link-local and metadata addresses are refused (--allow-link-local lifts this)",
          });
        }
        if (hop > 0) await this.#context.allow([url]);
      },
    });
  }

  /** Throws unless the reply is of the version that is wanted. */
  #check(key: string, reply: Reply, ifMatch: string | undefined): void {
    const object = this.#shown(key);
    if (reply.status !== 200 && reply.status !== 206) throw reply.error(object);
    if (ifMatch === undefined || validatorOf(reply.headers) === ifMatch) return;
    throw cannot("read", object, { changed: "it is, or may be, another version than before" });
  }

  async #empty(key: string, options: GetOptions): Promise<GetResult> {
    return emptyResult(await this.head(key, options), options);
  }

  /** A reply of success with its length, which is found out where the server does not say. */
  async #opened(key: string, reply: Reply, options: GetOptions): Promise<GetResult> {
    if (reply.status === 206) return this.#range(key, reply, options);
    const { length } = reply;
    if (length !== undefined && !isGzip(reply.headers)) {
      return { info: infoOf(key, reply, length), start: 0, length, body: reply.body };
    }
    let last = reply;
    const again = async () => {
      last = await this.#fetch("GET", key, { headers: [], signal: options.signal });
      if (last.status === 200) return this.#decoded(key, last);
      last.body.close();
      throw last.error(this.#shown(key));
    };
    const whole = await measured(this.#decoded(key, reply), again, this.#shown(key));
    return { info: infoOf(key, last, whole.length), start: 0, length: whole.length, body: whole.body };
  }

  #decoded(key: string, { headers, body }: Reply): ByteReader {
    return isGzip(headers) ? new GunzipBody(body, this.#shown(key)) : body;
  }

  /** A reply of 206. One that is not the range that was asked for would not be so the next time either. */
  #range(key: string, reply: Reply, { start = 0, end }: GetOptions): GetResult {
    const { headers, length, body } = reply;
    const range = isGzip(headers) ? null : contentRange(headers.get("content-range"));
    const isAsked = range !== null && range.start === start && range.end <= (end ?? range.size);
    const count = range === null ? 0 : range.end - range.start;
    if (isAsked && (length === undefined || length === count)) {
      return { info: infoOf(key, reply, range.size), start, length: count, body };
    }
    const object = this.#shown(key);
    const got = `Content-Range "${headers.get("content-range") ?? ""}", Content-Length ${
      length ?? "missing"
    }`;
    throw cannot("read", object, {
      unsupported: `the reply does not fit the request for bytes from ${start} on: ${got}`,
    });
  }
}

/** What a reply says of its object. What comes compressed cannot be asked for in ranges, so it has no validator. */
function infoOf(key: string, { status, headers }: Reply, size: number): ObjectInfo {
  if (isGzip(headers)) return { key, size };
  const validator = validatorOf(headers);
  const modified = settledModified(headers);
  const md5 = status === 200 ? base64ToHex(headers.get("content-md5") ?? "") : null;
  return {
    key,
    size,
    ...(validator !== undefined && { etag: validator }),
    ...(modified !== undefined && { modified }),
    ...(md5 !== null && md5.length === 32 && { checksum: { name: "md5", hex: md5 } }),
  };
}
