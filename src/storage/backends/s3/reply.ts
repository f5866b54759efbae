/**
 * What S3's replies say: object information out of headers, errors out of XML.
 * @module
 */
import type { CopilotError, ErrorCode, Operation } from "../../../errors.ts";
import { base64ToHex } from "../../checksum.ts";
import { type HttpHeaders, settledModified } from "../../../http/head.ts";
import type { Checksum, ChecksumName, ObjectInfo } from "../../store.ts";
import { codeOfRefusal, refusalError, type Refused } from "../../cloud/refusal.ts";
import { decodeEntities } from "../../cloud/xml.ts";

/** Checksums that S3 gives, the cheapest to verify first, with their length in bytes. */
const CHECKSUMS: readonly (readonly [ChecksumName, number])[] = [
  ["crc32", 4],
  ["crc64nvme", 8],
  ["crc32c", 4],
  ["sha1", 20],
  ["sha256", 32],
];

/** The name of the header with a checksum. */
export function checksumHeader(name: ChecksumName): string {
  return `x-amz-checksum-${name}`;
}

/** The whole object's checksum in a reply's headers; undefined where there is none or it is one of parts. */
export function checksumOf(headers: HttpHeaders): Checksum | undefined {
  const type = headers.get("x-amz-checksum-type");
  // A range's reply may carry the checksum of a part; only one that is declared to be of the whole object is taken.
  const isWhole = headers.get("content-range") === undefined ? type !== "COMPOSITE" : type === "FULL_OBJECT";
  for (const [name, length] of isWhole ? CHECKSUMS : []) {
    const value = headers.get(checksumHeader(name));
    // A checksum of parts' checksums ends in `-N` and is no base64.
    const hex = value === undefined ? null : base64ToHex(value);
    if (hex !== null && hex.length === length * 2) return { name, hex };
  }
  return undefined;
}

/**
 * The ETag where it may be the MD5 of the object's bytes: on AWS it is for an object that was put in one piece and not encrypted
 * with a key of its own.
 */
export function etagMd5Of(headers: HttpHeaders): string | undefined {
  const hex = /^"?([0-9a-f]{32})"?$/.exec(headers.get("etag") ?? "")?.[1];
  const encryption = headers.get("x-amz-server-side-encryption");
  const isPlain = (encryption === undefined || encryption === "AES256") &&
    headers.get("x-amz-server-side-encryption-customer-algorithm") === undefined;
  return isPlain ? hex : undefined;
}

/** What headers say about an object. @param size bytes of the whole object */
export function infoOf(key: string, headers: HttpHeaders, size: number): ObjectInfo {
  const etag = headers.get("etag");
  const checksum = checksumOf(headers);
  const etagMd5 = etagMd5Of(headers);
  const modified = settledModified(headers);
  return {
    key,
    size,
    ...(etag !== undefined && { etag }),
    ...(modified !== undefined && { modified }),
    ...(checksum !== undefined && { checksum }),
    ...(etagMd5 !== undefined && { etagMd5 }),
  };
}

/** What a reply says is wrong; HEAD's has no code. */
export interface S3Fault extends Refused {
  /** Where the server says that the bucket is. */
  region?: string | undefined;
  /** The server's clock, in milliseconds since 1970. */
  dateMs?: number | undefined;
}

function element(xml: string, name: string): string {
  return decodeEntities(new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "");
}

/** Code and message of an error's XML; both empty for anything that is not one. Never throws. */
export function parseErrorXml(xml: string): { code: string; message: string } {
  const at = xml.indexOf("<Error");
  const error = at < 0 ? "" : xml.slice(at);
  return { code: element(error, "Code"), message: element(error, "Message") };
}

/** Where an error's XML says that the bucket is, as a request signed for another region is answered. */
export function regionOfError(xml: string): string | undefined {
  return element(xml, "Region") || undefined;
}

/** S3's codes where the status alone would be read wrongly or says less. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["NoSuchKey", "not-found"],
  ["NoSuchBucket", "not-found"],
  ["NoSuchUpload", "not-found"],
  ["NotFound", "not-found"],
  ["AccessDenied", "denied"],
  ["AllAccessDisabled", "denied"],
  ["AccountProblem", "denied"],
  ["SignatureDoesNotMatch", "denied"],
  ["InvalidAccessKeyId", "denied"],
  ["InvalidToken", "denied"],
  ["ExpiredToken", "denied"],
  ["InvalidIdentityToken", "denied"],
  ["IDPRejectedClaim", "denied"],
  ["IDPCommunicationError", "unavailable"],
  ["TokenRefreshRequired", "denied"],
  ["RequestTimeTooSkewed", "unavailable"],
  ["SlowDown", "throttled"],
  ["SlowDownRead", "throttled"],
  ["SlowDownWrite", "throttled"],
  ["Throttling", "throttled"],
  ["RequestLimitExceeded", "throttled"],
  ["BandwidthLimitExceeded", "throttled"],
  ["TooManyRequests", "throttled"],
  ["InternalError", "unavailable"],
  ["ServiceUnavailable", "unavailable"],
  ["RequestTimeout", "unavailable"],
  ["OperationAborted", "unavailable"],
  ["IncompleteBody", "unavailable"],
  ["PreconditionFailed", "changed"],
  ["BadDigest", "integrity"],
  ["InvalidDigest", "integrity"],
  ["XAmzContentChecksumMismatch", "integrity"],
  ["XAmzContentSHA256Mismatch", "integrity"],
  ["NotImplemented", "unsupported"],
]);

/** Whether a code says that the bytes which arrived have another checksum than the one that came with them. */
export function isMismatch(code: string): boolean {
  return CODES.get(code) === "integrity";
}

/** Whether a code says by itself what is wrong, and that it is nothing which the server does not implement. */
export function isKnownCode(code: string): boolean {
  const known = CODES.get(code);
  return known !== undefined && known !== "unsupported";
}

/** What to check, by S3's code. */
const HINTS: Readonly<Record<string, string>> = {
  NoSuchBucket: "check the bucket's name, and endpoint and region in storage.stow.config",
  AccessDenied: "check the policy of the bucket and of the role or user",
  SignatureDoesNotMatch: "check secret_key in storage.stow.config, and whether a proxy changes requests",
  InvalidAccessKeyId: "check access_key_id and endpoint in storage.stow.config",
  ExpiredToken: "the temporary credentials have run out",
  InvalidToken: "check token in storage.stow.config",
  RequestTimeTooSkewed: "the clocks of this machine and of the server differ",
  PermanentRedirect: "check region and endpoint in storage.stow.config",
  AuthorizationHeaderMalformed: "check region in storage.stow.config",
  // Alibaba OSS.
  SecondLevelDomainForbidden:
    "the store refuses path style: set addressing_style=virtual in storage.stow.config",
};

/** What to check where the reply has no code, as every reply to HEAD. */
const STATUS_HINTS: Readonly<Record<number, string>> = {
  301: HINTS.PermanentRedirect!,
  400: "check the credentials, the region and the endpoint in storage.stow.config",
  401: "check the credentials in storage.stow.config",
  403: "check the credentials in storage.stow.config, and the policy of the bucket and of the role or user",
};

/**
 * The error for a refusal.
 */
export function s3Error(fault: S3Fault, operation: Operation): CopilotError {
  const hint = fault.code === "" ? STATUS_HINTS[fault.status] : HINTS[fault.code];
  return refusalError(codeOfRefusal(fault, CODES), fault, { operation, more: [hint] });
}
