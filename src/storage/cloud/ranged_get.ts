/**
 * Reads of a whole object or a range by HTTP: what is asked, and what a reply gives.
 * @module
 */
import { cannot, CopilotError } from "../../errors.ts";
import { EMPTY_BODY } from "../../http/body.ts";
import type { HttpResponse } from "../../http/client.ts";
import { contentRange, type HttpHeaders } from "../../http/head.ts";
import type { GetOptions, GetResult, ObjectInfo } from "../store.ts";

/** The value of a `Range` header; null where the whole object is wanted. */
export function rangeOf({ start = 0, end }: GetOptions): string | null {
  return start === 0 && end === undefined ? null : `bytes=${start}-${end === undefined ? "" : end - 1}`;
}

/** Whether a range has no bytes, which HTTP cannot ask for. */
export function isEmptyRange({ start = 0, end }: GetOptions): boolean {
  return end !== undefined && end <= start;
}

/** What a range without bytes gives: the object's information, and nothing to read. */
export function emptyResult(info: ObjectInfo, { start = 0 }: GetOptions): GetResult {
  return { info, start, length: 0, body: EMPTY_BODY };
}

/** How a reply is read. */
export interface ReplyReading {
  /** URI, for messages. */
  object: string;
  /** What the headers say of the object. @param size bytes of the whole object */
  infoOf(headers: HttpHeaders, size: number): ObjectInfo;
}

/**
 * What a reply of success gives, checked against what was asked for. Closes the body where it throws.
 *
 * @throws CopilotError `unsupported` for a range that was not asked for, which would come again; `network` for a reply without
 *   length
 */
export function openedReply(
  { status, headers, length, body }: HttpResponse,
  { start = 0, end }: GetOptions,
  { object, infoOf }: ReplyReading,
): GetResult {
  const range = status === 206 ? contentRange(headers.get("content-range")) : null;
  if (status !== 206 && length !== undefined) {
    return { info: infoOf(headers, length), start: 0, length, body };
  }
  const isAsked = range !== null && range.start === start &&
    range.end === Math.min(end ?? range.size, range.size);
  if (isAsked && (length === undefined || length === range.end - range.start)) {
    return { info: infoOf(headers, range.size), start, length: range.end - range.start, body };
  }
  body.close();
  if (status !== 206) throw cannot("read", object, { network: `the reply (status ${status}) has no length` });
  throw new CopilotError("unsupported", {
    action: "read",
    object,
    status,
    detail: `the reply does not fit the request for bytes from ${start} on: Content-Range "${
      headers.get("content-range") ?? ""
    }", Content-Length ${length ?? "missing"}`,
  });
}
