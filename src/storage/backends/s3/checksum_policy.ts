/**
 * Which checksum headers a store takes: learned from what it refuses, forgotten with the store.
 *
 * AWS takes all of them. Backblaze refuses even the question for a stored checksum, Google's, Cloudflare's and older stores a
 * trailer or a checksum, and some take the trailer's framing for bytes of the object. None of that fails a transfer.
 * @module
 */
import { isKnownCode, isMismatch, type S3Fault } from "./reply.ts";
import { Refusal } from "./transport.ts";

/** What a request does about checksums. */
export type ChecksumUse =
  /** Asks for the stored one (`x-amz-checksum-mode`). */
  | "mode"
  /** Sends one in a header: known before the first byte is sent. */
  | "header"
  /** Sends one behind the bytes, computed while they are sent. */
  | "trailer"
  /** Nothing. */
  | "none";

/** Requests that one refusal says nothing about another of. */
export type ChecksumRequest = "get" | "head" | "put" | "part" | "create" | "complete";

const ABOUT_CHECKSUMS =
  /checksum|trailer|aws-chunked|chunked|content-encoding|content-sha256|not implemented/i;

/** The headers by their names, in whatever error a server wraps them. */
const NAMES_HEADER = /x-amz-(?:checksum|trailer|sdk-checksum)/i;

/** Statuses that say something else of a request than that a header is not known. */
const OTHER_STATUSES: ReadonlySet<number> = new Set([404, 408, 409, 410, 412, 416, 429]);

/** Codes for which a header can hardly be the reason, and after which bytes are not sent again in vain. */
const OTHER_REASONS: ReadonlySet<string> = new Set([
  "AuthorizationHeaderMalformed",
  "EntityTooLarge",
  "EntityTooSmall",
  "InvalidBucketName",
  "InvalidPart",
  "InvalidPartOrder",
  "KeyTooLongError",
]);

/** What one store takes. Begins with everything and only ever takes less. */
export class ChecksumPolicy {
  readonly #refused = new Set<ChecksumUse>();
  readonly #proven = new Set<string>();

  /**
   * Sends a request, and again with less where a refusal may be for its checksum. What a store refused is remembered once the
   * request has gone through without it, so that a refusal with another reason costs one more request and no verification.
   *
   * @param wishes from the strongest to the weakest; `none` is tried after them
   * @param send gives null where the use that it was called with went through and proved useless
   * @throws what `send` throws last
   */
  async send<T>(
    request: ChecksumRequest,
    wishes: readonly ChecksumUse[],
    send: (use: ChecksumUse) => Promise<T | null>,
  ): Promise<T> {
    const dropped: ChecksumUse[] = [];
    for (;;) {
      const use = wishes.find((wish) => !this.#refused.has(wish) && !dropped.includes(wish)) ?? "none";
      try {
        const sent = await send(use);
        if (sent === null) {
          this.#refused.add(use);
          continue;
        }
        for (const refused of dropped) this.#refused.add(refused);
        this.#proven.add(`${request} ${use}`);
        return sent;
      } catch (thrown) {
        if (use === "none" || !(thrown instanceof Refusal)) throw thrown;
        if (!this.#mayBeReason(request, use, thrown.fault)) throw thrown;
        dropped.push(use);
      }
    }
  }

  #mayBeReason(request: ChecksumRequest, use: ChecksumUse, { status, code, message }: S3Fault): boolean {
    // Bytes that arrived damaged are a reason to send them again, and none to stop looking.
    if (isMismatch(code)) return false;
    if (status === 501 || code === "NotImplemented") return true;
    if (NAMES_HEADER.test(message)) return true;
    const isProven = this.#proven.has(`${request} ${use}`);
    // A gateway that left the header out, or took the framing apart, has broken the signature; others deny what they do not know.
    if (code === "SignatureDoesNotMatch" || code === "AccessDenied") return !isProven;
    if (isKnownCode(code)) return false;
    if (ABOUT_CHECKSUMS.test(`${code} ${message}`)) return true;
    return !isProven && status >= 400 && status < 500 && !OTHER_STATUSES.has(status) &&
      !OTHER_REASONS.has(code);
  }
}
