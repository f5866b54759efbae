/**
 * Requests to Google Cloud Storage: tokens put on, refusals turned into errors, small replies read.
 * @module
 */
import { from, type Operation } from "../../../errors.ts";
import type { Clock } from "../../../system/mod.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../../../http/client.ts";
import { retryAfterMs } from "../../../http/head.ts";
import type { Origin } from "../../../http/origin.ts";
import { type ByteReader, readAll } from "../../store.ts";
import { gcsError, malformed, parseError } from "./reply.ts";
import type { Renewed } from "../../cloud/renewed.ts";
import { shortText } from "../../cloud/server_words.ts";
import { orAborted } from "../../../system/abort.ts";
import type { AccessToken } from "./tokens.ts";

/** Bytes of a page or resource: a thousand names of 1,024 bytes, each escaped. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;

const decoder = new TextDecoder();

/** A request about one object or prefix. */
export interface GcsRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path and query, percent-encoded. */
  path: string;
  headers?: readonly (readonly [string, string])[];
  body?: HttpRequest["body"];
  /** What is being done, for messages: `read`, `list`. */
  verb: string;
  /** URI that it is about. */
  object: string;
  signal: AbortSignal;
  /** Statuses that are no error, besides 200 to 299. */
  accepts?: readonly number[];
}

/** What requests need. */
export interface GcsConnection {
  client: HttpClient;
  origin: Origin;
  /** Null for requests without credentials. */
  tokens: Renewed<AccessToken> | null;
  clock: Clock;
}

function operationOf({ verb, object }: GcsRequest): Operation {
  return { action: verb, object };
}

/** Sends requests to one endpoint. */
export class GcsRequests {
  readonly #to: GcsConnection;

  constructor(to: GcsConnection) {
    this.#to = to;
  }

  /**
   * Sends a request. A token that the store refuses is replaced once.
   *
   * @returns a reply with a status of success or one that the request accepts
   * @throws CopilotError by status and reason of the reply; as the client and the source of tokens throw
   */
  async send(request: GcsRequest): Promise<HttpResponse> {
    const token = await this.#token(request);
    const response = await this.#sendWith(request, token);
    if (response.status !== 401 || token === null) return await this.#checked(request, response);
    response.body.close();
    this.#to.tokens!.forget(token);
    return await this.#checked(request, await this.#sendWith(request, await this.#token(request)));
  }

  /** Sends a request and parses the JSON of its reply. */
  async json(request: GcsRequest): Promise<unknown> {
    const { body } = await this.send(request);
    return await this.parse(body, request);
  }

  /** Parses a reply's JSON. @throws CopilotError `unavailable` for anything else */
  async parse(body: ByteReader, request: GcsRequest): Promise<unknown> {
    const tooLarge = () => malformed(operationOf(request), `more than ${MAX_JSON_BYTES} bytes`);
    const bytes = await readAll(body, MAX_JSON_BYTES, tooLarge);
    try {
      return JSON.parse(decoder.decode(bytes));
    } catch {
      throw malformed(operationOf(request), "not JSON");
    }
  }

  async #token(request: GcsRequest): Promise<AccessToken | null> {
    const { tokens } = this.#to;
    if (tokens === null) return null;
    const { signal, object } = request;
    try {
      const token = tokens.get();
      return token instanceof Promise ? await orAborted(token, signal, object) : token;
    } catch (thrown) {
      const error = from(thrown, { action: "get a token" });
      throw error.code === "aborted" ? error : error.within(operationOf(request));
    }
  }

  async #sendWith(request: GcsRequest, token: AccessToken | null): Promise<HttpResponse> {
    const { method, path, headers = [], body, object, signal } = request;
    const authorization: [string, string][] = token === null
      ? []
      : [["Authorization", `Bearer ${token.value.reveal()}`]];
    return await this.#to.client.request({
      method,
      origin: this.#to.origin,
      path,
      headers: [...headers, ...authorization],
      ...(body !== undefined && { body }),
      object,
      signal,
    });
  }

  async #checked(request: GcsRequest, response: HttpResponse): Promise<HttpResponse> {
    const { status, headers, body } = response;
    if ((status >= 200 && status < 300) || request.accepts?.includes(status)) return response;
    const text = await shortText(body);
    const fault = {
      status,
      ...parseError(text),
      retryAfterMs: retryAfterMs(headers.get("retry-after"), this.#to.clock.nowMs()),
    };
    throw gcsError(fault, operationOf(request));
  }
}
