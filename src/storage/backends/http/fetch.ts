/**
 * A request that follows redirects.
 * @module
 */
import { cannot, codeOfStatus, CopilotError } from "../../../errors.ts";
import type { HttpClient, HttpResponse } from "../../../http/client.ts";
import { retryAfterMs } from "../../../http/head.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import { shownUri } from "../../../text/shown_uri.ts";

/** As many as fetch follows in browsers is more than any honest server needs. */
const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What a status says that is no error by itself, or whose number tells little. */
const MEANINGS: Readonly<Record<number, string>> = {
  202: "the server has taken the request and has not got the object yet, expected 200",
  203: "a proxy has changed the object, expected 200",
  204: "the server has no content there, expected 200",
  205: "the server has no content there, expected 200",
  304: "the server says that the object is unchanged, which was not asked, expected 200",
  401: "check the credentials in the URL",
  403: "check the credentials in the URL",
  412: "the object is another version than before, or the server refuses If-Match and If-Unmodified-Since",
};

/** What {@linkcode fetchFollowing} takes. */
export interface FetchOptions {
  method: string;
  headers: readonly (readonly [string, string])[];
  client: HttpClient;
  signal: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  /** Rejects for a URL that must not be asked. `hop` counts the redirects before it. */
  admit(url: string, hostname: string, hop: number): Promise<void>;
}

/** The last reply. */
export interface Reply extends HttpResponse {
  /** The error that its status means. @param object URL as it may be shown */
  error(object: string): CopilotError;
}

/** Sends a request, and again where the reply says it should go. */
export async function fetchFollowing(start: string, options: FetchOptions): Promise<Reply> {
  const { method, client, signal } = options;
  const first = parseHttpUrl(start, "the URL");
  for (let url = start, hop = 0;; hop++) {
    const { origin, path, authorization } = parseHttpUrl(url, "the redirect's URL");
    await options.admit(url, origin.hostname, hop);
    // Credentials of the first URL are for its own host; a redirect's own are the server's doing, and fine there.
    const credentials = authorization ?? (origin.key === first.origin.key ? first.authorization : undefined);
    const reply = await client.request({
      method,
      origin,
      path,
      headers: [
        ["User-Agent", "copilot"],
        ["Accept", "*/*"],
        ["Accept-Encoding", "identity"],
        ...(credentials === undefined ? [] : [["Authorization", credentials] as const]),
        ...options.headers,
      ],
      object: shownUri(url),
      signal,
    });
    const location = REDIRECTS.has(reply.status) ? reply.headers.get("location") : undefined;
    if (location === undefined) {
      return {
        ...reply,
        error: (object) => statusError(reply, object, options.now()),
      };
    }
    reply.body.close();
    url = redirected(url, location, hop);
  }
}

/** Where a redirect leads; throws where it must not be followed. */
function redirected(from: string, location: string, hop: number): string {
  const object = shownUri(from);
  const refuse = (why: string) => cannot("follow the redirect of", object, { denied: why });
  if (hop === MAX_REDIRECTS) throw refuse(`more than ${MAX_REDIRECTS} one after another`);
  let next: URL;
  try {
    next = new URL(location, from);
  } catch {
    throw refuse("it leads to no URL");
  }
  if (next.protocol !== "https:" && next.protocol !== "http:") {
    throw refuse(`it leads to the scheme "${next.protocol}"`);
  }
  if (next.protocol === "http:" && from.toLowerCase().startsWith("https:")) {
    throw refuse("it leads from https to http");
  }
  next.hash = "";
  return next.href;
}

function statusError({ status, headers }: HttpResponse, object: string, nowMs: number): CopilotError {
  const wait = retryAfterMs(headers.get("retry-after"), nowMs);
  const meaning = MEANINGS[status] === undefined ? "" : `, ${MEANINGS[status]}`;
  return new CopilotError(codeOfStatus(status), {
    action: "read",
    object,
    detail: `status ${status}${meaning}`,
    status,
    ...(wait !== undefined && { retryAfterMs: wait }),
  });
}
