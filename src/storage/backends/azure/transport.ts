/**
 * Authorized requests to one container, and what a refusal can teach before it counts: the server's clock, a token that ran out.
 * @module
 */
import type { Secret } from "../../../config/mod.ts";
import { CopilotError } from "../../../errors.ts";
import { orAborted } from "../../../system/abort.ts";
import type { AzureAddress, AzureCredential } from "./settings.ts";
import type { HttpClient, HttpResponse, StreamBody } from "../../../http/client.ts";
import type { Hmac } from "../../cloud/hmac.ts";
import { encodeText } from "../../cloud/percent_encoding.ts";
import type { Renewed } from "../../cloud/renewed.ts";
import { plainWords, redacted, shortText } from "../../cloud/server_words.ts";
import { retryAfterMs } from "../../../http/head.ts";
import type { Clock } from "../../../system/mod.ts";
import { azureError, type AzureFault, parseErrorXml } from "./reply.ts";
import { encodeKey, type Query, sharedKey } from "./shared_key.ts";
import type { Token } from "./tokens.ts";

/** The version of the REST API. It encodes names that XML cannot hold, and takes blocks of 4,000 MiB. */
const API_VERSION = "2021-12-02";
/** The service takes dates that are at most 15 minutes off. */
const MAX_SKEW_MS = 10 * 60_000;

/** How requests are authorized. */
export type Identity =
  | { kind: "anonymous" }
  | { kind: "key"; hmac: Hmac; secret: Secret }
  | { kind: "sas"; query: Secret }
  /** With the client that tokens are fetched by. */
  | { kind: "token"; tokens: Renewed<Token>; http: HttpClient };

/** A request. */
export interface AzureRequest {
  method: string;
  /** The verb of an error's message: `read`. */
  verb: string;
  /** Null for the container itself. */
  key: string | null;
  query?: Query;
  /** Names in lower case. */
  headers?: readonly (readonly [string, string])[];
  body?: Uint8Array | StreamBody;
  /** URI, for messages. */
  object: string;
  signal: AbortSignal;
}

/** A refusal by the server, with what the store may do about it. */
export class Refusal extends CopilotError {
  readonly azureCode: string;

  constructor(error: CopilotError, azureCode: string) {
    super(error.code, error.fault);
    this.azureCode = azureCode;
  }
}

/** What a transport needs. */
export interface TransportOptions {
  address: AzureAddress;
  credential: AzureCredential;
  identity: Identity;
  http: HttpClient;
  clock: Clock;
}

/** Connections and identity of one store. */
export class Transport {
  readonly #options: TransportOptions;
  /** The server's clock minus ours, in milliseconds. */
  #skewMs = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /**
   * Sends a request; gives the reply where its status is 2xx.
   *
   * @throws Refusal for any other status
   */
  async send(request: AzureRequest): Promise<HttpResponse> {
    const learned = new Set<string>();
    for (;;) {
      const token = await this.#token(request);
      const reply = await this.#options.http.request(this.#authorized(request, token));
      if (reply.status >= 200 && reply.status <= 299) return reply;
      const fault = await this.#fault(reply, token);
      const lesson = this.#learn(fault, token);
      if (lesson === null || learned.has(lesson)) throw this.#refusal(fault, request);
      learned.add(lesson);
    }
  }

  close(): void {
    const { http, identity } = this.#options;
    http.close();
    if (identity.kind === "token") identity.http.close();
  }

  async #token({ signal, object }: AzureRequest): Promise<Token | null> {
    const { identity } = this.#options;
    if (identity.kind !== "token") return null;
    const token = identity.tokens.get();
    return token instanceof Promise ? await orAborted(token, signal, object) : token;
  }

  #authorized(request: AzureRequest, token: Token | null) {
    const { address, identity, clock } = this.#options;
    const { method, key, query = [], body, object, signal } = request;
    const path = key === null ? address.base : `${address.base}/${encodeKey(key, object)}`;
    const headers: (readonly [string, string])[] = [
      ["x-ms-date", new Date(clock.nowMs() + this.#skewMs).toUTCString()],
      ["x-ms-version", API_VERSION],
      ...(request.headers ?? []),
    ];
    let search = query.map(([name, value]) => `${name}=${encodeText(value)}`).join("&");
    if (identity.kind === "key") {
      const part = { method, path, query, headers, length: body?.length ?? 0 };
      headers.push(["authorization", sharedKey(address.account, identity.hmac, part)]);
    }
    if (identity.kind === "sas") search += (search === "" ? "" : "&") + identity.query.reveal();
    if (token !== null) headers.push(["authorization", `Bearer ${token.value.reveal()}`]);
    return {
      method,
      origin: address.origin,
      path: search === "" ? path : `${path}?${search}`,
      headers,
      ...(body !== undefined && { body }),
      object,
      signal,
    };
  }

  async #fault({ status, headers, body }: HttpResponse, token: Token | null): Promise<AzureFault> {
    // Where the body cannot be had, the status and the header with the code say enough.
    const text = await shortText(body);
    const { code, message } = parseErrorXml(text);
    const { clock } = this.#options;
    const dateMs = Date.parse(headers.get("date") ?? "");
    const waitMs = Number(headers.get("x-ms-retry-after-ms") ?? NaN);
    return {
      status,
      code: headers.get("x-ms-error-code") ?? code,
      message: this.#redacted(message || plainWords(text), token),
      retryAfterMs: waitMs >= 0 ? waitMs : retryAfterMs(headers.get("retry-after"), clock.nowMs()),
      ...(!Number.isNaN(dateMs) && { dateMs }),
    };
  }

  /** Takes secrets out of a server's words. */
  #redacted(text: string, token: Token | null): string {
    const { identity } = this.#options;
    const secrets = [token?.value.reveal()];
    if (identity.kind === "key") secrets.push(identity.secret.reveal());
    if (identity.kind === "sas") {
      const query = identity.query.reveal();
      const signature = new URLSearchParams(query).get("sig") ?? "";
      secrets.push(query, signature, encodeURIComponent(signature));
    }
    return redacted(text, secrets);
  }

  /** Takes what a refusal says into account; null where the same request would be refused again. */
  #learn({ status, code, dateMs }: AzureFault, token: Token | null): string | null {
    const { identity, clock } = this.#options;
    if (status === 401 && token !== null && identity.kind === "token") {
      identity.tokens.forget(token);
      return "token";
    }
    const isLate = code === "AuthenticationFailed" && dateMs !== undefined && identity.kind === "key" &&
      Math.abs(dateMs - clock.nowMs() - this.#skewMs) > MAX_SKEW_MS;
    if (!isLate) return null;
    this.#skewMs = dateMs - clock.nowMs();
    return "clock";
  }

  #refusal(fault: AzureFault, { verb, object }: AzureRequest): Refusal {
    const { from } = this.#options.credential;
    return new Refusal(azureError(fault, { action: verb, object }, from), fault.code);
  }
}
