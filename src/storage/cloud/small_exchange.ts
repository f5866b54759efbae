/**
 * Small requests and replies, as the services that give credentials have them.
 * @module
 */
import { CopilotError } from "../../errors.ts";
import type { HttpClient, HttpRequest } from "../../http/client.ts";
import type { HttpHeaders } from "../../http/head.ts";
import { readAll } from "../store.ts";

/** Larger than any answer. */
const MAX_REPLY_BYTES = 256 * 1024;

/** A service's answer. */
export interface SmallReply {
  status: number;
  headers: HttpHeaders;
  text: string;
}

/**
 * Sends a request and reads the answer, whatever its status.
 *
 * @throws CopilotError as the client throws; `unavailable` for an answer without end
 */
export async function smallExchange(http: HttpClient, request: HttpRequest): Promise<SmallReply> {
  const { status, headers, body } = await http.request(request);
  const tooLarge = () =>
    new CopilotError(
      "unavailable",
      `The reply of "${request.origin.key}" is larger than ${MAX_REPLY_BYTES} bytes`,
    );
  return { status, headers, text: new TextDecoder().decode(await readAll(body, MAX_REPLY_BYTES, tooLarge)) };
}
