/**
 * The AWS SDK over the project's own HTTP client: what its clients are configured with, and how their errors are read.
 * @module
 */
import { CopilotError } from "../../../errors.ts";
import type { HttpClient } from "../../http/client.ts";
import { retryAfterMs } from "../../http/head.ts";
import { makeOrigin } from "../../http/origin.ts";
import { readAll } from "../../store.ts";
import type { S3Fault } from "./reply.ts";
import { encodeQuery } from "./sigv4.ts";

/** A page of a listing with keys of 1,024 bytes stays well below it. */
const MAX_REPLY_BYTES = 16 << 20;

/** A request as the SDK hands it to a handler. */
interface SdkRequest {
  protocol: string;
  hostname: string;
  port?: number;
  method: string;
  path: string;
  query: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

/** A query in the order and encoding that the SDK signs. */
function queryString(query: SdkRequest["query"]): string {
  const parts: string[] = [];
  for (const name of Object.keys(query).sort()) {
    for (const value of [query[name]].flat()) {
      parts.push(
        value === null || value === undefined
          ? encodeQuery(name)
          : `${encodeQuery(name)}=${encodeQuery(value)}`,
      );
    }
  }
  return parts.join("&");
}

function bodyBytes(body: unknown): Uint8Array | undefined {
  if (body === undefined || body === null || body === "") return undefined;
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return new TextEncoder().encode(body);
  throw new CopilotError("internal", "Cannot send a request of the AWS SDK: its body is a stream");
}

/** What is needed to configure a client of the SDK. */
export interface SdkOptions {
  http: HttpClient;
  region: string;
  /** What requests are about, for messages. */
  object: string;
  /** Ends requests that have no signal of their own. */
  signal: AbortSignal;
}

/** The part of a configuration that all clients of the SDK share: our connections, no retries, nothing read from the machine. */
export function sdkConfig({ http, region, object, signal }: SdkOptions) {
  const requestHandler = {
    async handle(request: SdkRequest, options: { abortSignal?: unknown } = {}) {
      const secure = request.protocol === "https:";
      const query = queryString(request.query);
      const headers = Object.entries(request.headers)
        .filter(([name]) => !/^(host|content-length)$/i.test(name));
      const body = bodyBytes(request.body);
      const reply = await http.request({
        method: request.method,
        origin: makeOrigin(secure, request.hostname, request.port ?? (secure ? 443 : 80)),
        path: query === "" ? request.path : `${request.path}?${query}`,
        headers,
        ...(body !== undefined && { body }),
        object,
        signal: options.abortSignal as AbortSignal | undefined ?? signal,
      });
      const tooLarge = () =>
        new CopilotError(
          "network",
          `Cannot read the reply about "${object}": it is larger than ${MAX_REPLY_BYTES} bytes`,
        );
      const bytes = await readAll(reply.body, MAX_REPLY_BYTES, tooLarge);
      const { status: statusCode } = reply;
      return { response: { statusCode, headers: Object.fromEntries(reply.headers.entries()), body: bytes } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
  return {
    region,
    maxAttempts: 1,
    retryMode: "standard",
    defaultsMode: "standard" as const,
    // deno-lint-ignore no-explicit-any -- the SDK's type of a reply is a class of a package that is not a dependency
    requestHandler: requestHandler as any,
    // The SDK's own asks the machine for the name of its system, which the run may not see.
    defaultUserAgentProvider: () => Promise.resolve<[string, string][]>([["copilot", "1"]]),
    userAgentAppId: () => Promise.resolve(undefined),
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
  };
}

/** What an error of the SDK says about a reply; null for one that is not about a reply. */
export function faultOf(thrown: unknown): S3Fault | null {
  if (thrown instanceof CopilotError || !(thrown instanceof Error)) return null;
  const { $metadata, $response } = thrown as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number; headers?: Record<string, string> };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  // A reply of success that could not be understood is no refusal.
  if (status === undefined || status < 300) return null;
  const headers = $response?.headers ?? {};
  const dateMs = Date.parse(headers["date"] ?? "");
  return {
    status,
    // The SDK's names for the services' codes end in "Exception", and not always.
    code: /^Unknown/.test(thrown.name) ? "" : thrown.name.replace(/Exception$/, ""),
    message: thrown.message,
    region: headers["x-amz-bucket-region"],
    retryAfterMs: retryAfterMs(headers["retry-after"], dateMs),
    ...(!Number.isNaN(dateMs) && { dateMs }),
  };
}
