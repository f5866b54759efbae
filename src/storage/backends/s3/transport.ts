/**
 * Signed requests to one bucket, and what a refusal can teach before it counts: the bucket's region, the server's clock,
 * credentials that ran out.
 * @module
 */
import { encodePath } from "../../cloud/percent_encoding.ts";
import { orAborted, throwIfAborted } from "../../../system/abort.ts";
import type { BackendContext } from "../../backend.ts";
import type { HttpClient, HttpResponse, StreamBody } from "../../../http/client.ts";
import { type HttpHeaders, retryAfterMs } from "../../../http/head.ts";
import { plainWords, redacted, shortText } from "../../cloud/server_words.ts";
import { readAll } from "../../store.ts";
import { cannot, CopilotError } from "../../../errors.ts";
import { type BucketAddress, inRegion } from "./settings.ts";
import type { Credentials, CredentialSource } from "./tokens.ts";
import { parseErrorXml, regionOfError, s3Error, type S3Fault } from "./reply.ts";
import type { RequestHeaders } from "./request_headers.ts";
import { Signer } from "./sigv4.ts";

/** A request for an object. */
export interface ObjectRequest {
  method: string;
  /** Of the object; of a bucket's request the prefix that it is about. */
  key: string;
  /** Default: the object. */
  of?: "object" | "bucket";
  /** Canonical query, see sigv4.ts. */
  query?: string;
  /** Names in lower case. */
  headers: readonly (readonly [string, string])[];
  /** Payload as signed, see sigv4.ts. */
  payload: string;
  body?: Uint8Array | StreamBody;
  signal: AbortSignal;
}

/** A page of a listing with keys of 1,024 bytes, encoded, stays well below it. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** A region may become part of a host name. */
const REGION = /^[a-z0-9-]{1,40}$/;

/** The start of a document that is an error. */
const LATE_ERROR = /^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/;

const REFUSED_CREDENTIALS: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "TokenRefreshRequired",
]);

/** A refusal by the server, before it becomes an error with a message. */
export class Refusal extends Error {
  readonly fault: S3Fault;

  constructor(fault: S3Fault) {
    super(`status ${fault.status}`);
    this.fault = fault;
  }
}

/** A reply of success. */
export interface XmlReply {
  headers: HttpHeaders;
  /** What is not UTF-8 is U+FFFD in it. */
  xml: string;
  isUtf8: boolean;
}

/** What a transport needs. */
export interface TransportOptions {
  address: BucketAddress;
  credentials: CredentialSource;
  http: HttpClient;
  context: BackendContext;
  /** What the settings add to requests. Default: nothing. */
  headers?: RequestHeaders;
}

/** Connections and identity of one store. */
export class Transport {
  readonly http: HttpClient;
  readonly credentials: CredentialSource;
  readonly #context: BackendContext;
  readonly #headers: RequestHeaders;
  #address: BucketAddress;
  #signer: Signer;
  /** The server's clock minus ours, in milliseconds. */
  #skewMs = 0;

  constructor({ address, credentials, http, context, headers = () => [] }: TransportOptions) {
    this.http = http;
    this.credentials = credentials;
    this.#context = context;
    this.#headers = headers;
    this.#address = address;
    this.#signer = new Signer(address.region);
  }

  get address(): BucketAddress {
    return this.#address;
  }

  /** The URI of a key. */
  uri(key: string): string {
    return `${this.#address.root}/${key}`;
  }

  /**
   * Sends a request; gives the reply where its status is 2xx.
   *
   * @throws Refusal for any other status
   */
  send(request: ObjectRequest): Promise<HttpResponse> {
    return this.attempt(request, (credentials) => this.#send(request, credentials));
  }

  /**
   * Sends a request whose reply is XML, and reads it.
   *
   * @throws Refusal for a status that is not 2xx, and for success whose document is an error, as CompleteMultipartUpload
   * answers when it fails after the head was sent
   */
  async document(request: ObjectRequest): Promise<XmlReply> {
    return await this.attempt(request, async (credentials) => {
      const reply = await this.#send(request, credentials);
      const object = this.uri(request.key);
      const tooLarge = () =>
        cannot("read the reply about", object, { network: `it is larger than ${MAX_DOCUMENT_BYTES} bytes` });
      const bytes = await readAll(reply.body, MAX_DOCUMENT_BYTES, tooLarge);
      const xml = new TextDecoder().decode(bytes);
      if (!LATE_ERROR.test(xml)) return { headers: reply.headers, xml, isUtf8: isUtf8(xml, bytes) };
      throw new Refusal({ ...this.#fault(reply, xml, credentials), status: 500 });
    });
  }

  async #send(request: ObjectRequest, credentials: Credentials): Promise<HttpResponse> {
    const { method, key, query = "", payload, body, signal } = request;
    const { origin, base } = this.#address;
    const path = request.of === "bucket" ? base : base + this.#encode(key);
    const headers = [...request.headers, ...this.#headers(request)];
    const part = { method, path, query, host: origin.authority, headers, payload };
    const reply = await this.http.request({
      method,
      origin,
      path: query === "" ? path : `${path}?${query}`,
      headers: this.#signer.sign(part, credentials, this.#context.system.clock.nowMs() + this.#skewMs),
      ...(body !== undefined && { body }),
      object: this.uri(key),
      signal,
    });
    if (reply.status >= 200 && reply.status <= 299) return reply;
    throw new Refusal(this.#fault(reply, await shortText(reply.body), credentials));
  }

  /**
   * Runs an operation with credentials, and once more for each thing that its refusal taught.
   *
   * @throws Refusal where nothing is left to learn
   */
  async attempt<T>(
    about: { key: string; signal: AbortSignal },
    operation: (credentials: Credentials) => Promise<T>,
  ): Promise<T> {
    let learned: Set<string> | null = null;
    for (;;) {
      throwIfAborted(about.signal, this.uri(about.key));
      const known = this.credentials.get();
      const credentials = known instanceof Promise
        ? await orAborted(known, about.signal, this.uri(about.key))
        : known;
      try {
        return await operation(credentials);
      } catch (thrown) {
        if (!(thrown instanceof Refusal)) throw thrown;
        const lesson = this.#learn(thrown.fault, credentials);
        if (lesson === null || learned?.has(lesson)) throw thrown;
        (learned ??= new Set()).add(lesson);
      }
    }
  }

  /** The error for what an operation threw. */
  error(thrown: unknown, verb: string, key: string): unknown {
    if (!(thrown instanceof Refusal)) return thrown;
    const object = this.uri(key);
    return s3Error(thrown.fault, { action: verb, object });
  }

  #encode(key: string): string {
    if (key !== "") return encodePath(key);
    throw new CopilotError("input", {
      action: "use",
      object: this.uri(""),
      via: "as an object",
      detail: "it has no key",
    });
  }

  #fault(reply: HttpResponse, xml: string, credentials: Credentials): S3Fault {
    const { code, message } = parseErrorXml(xml);
    const dateMs = Date.parse(reply.headers.get("date") ?? "");
    const now = this.#context.system.clock.nowMs();
    return {
      status: reply.status,
      code,
      message: redacted(message || plainWords(xml), secretsOf(credentials)),
      retryAfterMs: retryAfterMs(reply.headers.get("retry-after"), now),
      region: reply.headers.get("x-amz-bucket-region") ?? regionOfError(xml),
      ...(!Number.isNaN(dateMs) && { dateMs }),
    };
  }

  /** Takes what a refusal says into account; null where the same request would be refused again. */
  #learn({ status, code, region, dateMs }: S3Fault, credentials: Credentials): string | null {
    if (
      region !== undefined && REGION.test(region) && region !== this.#address.region &&
      [301, 307, 400, 403].includes(status)
    ) {
      this.#address = inRegion(this.#address, region, this.#context.env);
      this.#signer = new Signer(region);
      return "region";
    }
    if (code === "RequestTimeTooSkewed" && dateMs !== undefined) {
      this.#skewMs = dateMs - this.#context.system.clock.nowMs();
      return "clock";
    }
    // A refusal of HEAD has no code.
    const isExpired = REFUSED_CREDENTIALS.has(code) || (code === "" && status === 400);
    return isExpired && this.credentials.renew(credentials) ? "credentials" : null;
  }
}

function secretsOf({ secretAccessKey, sessionToken }: Credentials): (string | undefined)[] {
  return [secretAccessKey.reveal(), sessionToken?.reveal()];
}

function isUtf8(text: string, bytes: Uint8Array): boolean {
  if (!text.includes("\ufffd")) return true;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
