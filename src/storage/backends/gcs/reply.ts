/**
 * What Google Cloud Storage's replies say: object information out of headers and JSON, errors out of JSON or text.
 *
 * An object's version is its generation: a number that no other content under that name ever has.
 * @module
 */
import { CopilotError, type ErrorCode, type Operation } from "../../../errors.ts";
import { base64ToHex } from "../../checksum.ts";
import { codeOfRefusal, refusalError, type Refused } from "../../cloud/refusal.ts";
import type { HttpHeaders } from "../../../http/head.ts";
import type { Checksum, ChecksumName, ListPage, ObjectInfo } from "../../store.ts";

/** Fields of an object that are asked for. */
export const OBJECT_FIELDS = "name,size,generation,crc32c,md5Hash";
/** Fields of a listing that are asked for. */
export const LIST_FIELDS = `nextPageToken,items(${OBJECT_FIELDS})`;

const SIZE = /^[0-9]{1,15}$/;
const GENERATION = /^[0-9]{1,20}$/;
/** Length in bytes; the first that is there is used. Composed objects have no MD5. */
const CHECKSUMS: readonly (readonly [ChecksumName, number])[] = [["crc32c", 4], ["md5", 16]];

type Json = Readonly<Record<string, unknown>>;

/** A reply that the protocol does not know. Passing, since such replies come from something in between. */
export function malformed(operation: Operation, detail: string): CopilotError {
  return new CopilotError("unavailable", { ...operation, detail: `malformed reply: ${detail}` });
}

function checksum(values: Readonly<Record<string, string | undefined>>): Checksum | undefined {
  for (const [name, length] of CHECKSUMS) {
    const hex = base64ToHex(values[name] ?? "");
    if (hex !== null && hex.length === 2 * length) return { name, hex };
  }
  return undefined;
}

/** The object's checksum in `x-goog-hash: crc32c=…,md5=…`; undefined where there is none. */
export function checksumOfHeaders(headers: HttpHeaders): Checksum | undefined {
  const fields = (headers.get("x-goog-hash") ?? "").split(",").map((field) => {
    const at = field.indexOf("=");
    return [field.slice(0, at).trim(), field.slice(at + 1).trim()];
  });
  return checksum(Object.fromEntries(fields));
}

/** What the head of a reply with an object's bytes says. @param size bytes of the whole object, as they are stored */
export function infoOfHeaders(key: string, headers: HttpHeaders, size: number): ObjectInfo {
  const generation = headers.get("x-goog-generation");
  // The hash of a range's reply is that of the whole object only by custom.
  const sum = headers.get("content-range") === undefined ? checksumOfHeaders(headers) : undefined;
  return {
    key,
    size,
    ...(generation !== undefined && GENERATION.test(generation) && { etag: generation }),
    ...(sum !== undefined && { checksum: sum }),
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** An object's JSON resource; null for anything that is none. */
export function infoOfResource(resource: unknown): ObjectInfo | null {
  if (!isObject(resource)) return null;
  const { name, size, generation, crc32c, md5Hash } = resource;
  if (typeof name !== "string" || name === "" || typeof size !== "string" || !SIZE.test(size)) return null;
  const sum = checksum({ crc32c: textOf(crc32c), md5: textOf(md5Hash) });
  return {
    key: name,
    size: Number(size),
    ...(typeof generation === "string" && GENERATION.test(generation) && { etag: generation }),
    ...(sum !== undefined && { checksum: sum }),
  };
}

/**
 * A page of a listing.
 *
 * @throws CopilotError `unavailable` for anything but a page of keys below the prefix
 */
export function pageOf(
  json: unknown,
  options: { prefix: string; object: string },
): ListPage {
  const { prefix, object } = options;
  const wrong = (detail: string) => malformed({ action: "list", object }, detail);
  if (!isObject(json)) throw wrong("no JSON object");
  const { items = [], nextPageToken } = json;
  if (!Array.isArray(items)) throw wrong('"items" is no list');
  const objects = items.map((item) => {
    const info = infoOfResource(item);
    if (info === null) throw wrong("an item without name or size");
    if (!info.key.startsWith(prefix)) throw wrong("a name outside the prefix");
    return info;
  });
  if (nextPageToken === undefined || nextPageToken === "") return { objects };
  if (typeof nextPageToken !== "string") throw wrong('"nextPageToken" is no text');
  return { objects, next: nextPageToken };
}

/** Bytes that an upload's session has: `Range: bytes=0-N`, or none. Null for anything else. */
export function persistedBytes(range: string | undefined): number | null {
  if (range === undefined) return 0;
  const match = /^(?:bytes[ =])?0-([0-9]{1,15})$/.exec(range.trim());
  return match === null ? null : Number(match[1]) + 1;
}

/** Google's own word (`rateLimitExceeded`) and message of an error's body. Never throws. */
export function parseError(body: string): { code: string; message: string } {
  try {
    const json: unknown = JSON.parse(body);
    const error = isObject(json) ? json.error : undefined;
    if (isObject(error)) {
      const first: unknown = Array.isArray(error.errors) ? error.errors[0] : undefined;
      const reason = isObject(first) ? textOf(first.reason) : undefined;
      return { code: reason ?? textOf(error.status) ?? "", message: textOf(error.message) ?? "" };
    }
    return { code: "", message: "" };
  } catch {
    return { code: "", message: body };
  }
}

/** Reasons where the status alone would be read wrongly. */
const REASONS: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["rateLimitExceeded", "throttled"],
  ["userRateLimitExceeded", "throttled"],
  ["backendError", "unavailable"],
  ["internalError", "unavailable"],
  ["conditionNotMet", "changed"],
]);

const HINTS: Readonly<Record<number, string>> = {
  401:
    "check the Google credentials (storage.stow.config json, GOOGLE_APPLICATION_CREDENTIALS, workload identity)",
  403: "check the IAM policy of the bucket and of the service account",
};

/**
 * The error for a refusal.
 */
export function gcsError(fault: Refused, operation: Operation): CopilotError {
  const isWrongHash = fault.status === 400 && /^Provided (CRC32C|MD5)\b/i.test(fault.message);
  const code = isWrongHash ? "integrity" : codeOfRefusal(fault, REASONS);
  return refusalError(code, fault, { operation, more: [HINTS[fault.status]] });
}
