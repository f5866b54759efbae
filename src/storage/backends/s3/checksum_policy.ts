/**
 * Which checksums a store takes with an upload: learned from what it refuses, forgotten with the store.
 *
 * AWS takes all; Google's, Cloudflare's and older stores refuse a trailer or a checksum, or take the trailer's framing for bytes
 * of the object. None of them fails for it.
 * @module
 */
import { isMismatch, type S3Fault } from "./reply.ts";

/** How the checksum of an upload travels. */
export type ChecksumWay =
  /** In a header: known before the first byte is sent. */
  | "header"
  /** Behind the bytes, computed while they are sent. */
  | "trailer"
  /** Not at all. */
  | "none";

const ABOUT_CHECKSUMS =
  /checksum|trailer|aws-chunked|chunked|content-encoding|content-sha256|not implemented/i;

/** What one store takes. Begins with everything and only ever takes less. */
export class ChecksumPolicy {
  #trailers = true;
  #headers = true;
  #proven: Record<ChecksumWay, boolean> = { header: false, trailer: false, none: true };

  /** The way to try for bytes whose checksum is or is not known beforehand. */
  wayFor({ isKnown }: { isKnown: boolean }): ChecksumWay {
    if (!this.#headers) return "none";
    return isKnown || !this.#trailers ? "header" : "trailer";
  }

  /** Whether checksums are sent at all. */
  get isOn(): boolean {
    return this.#headers;
  }

  /** An upload went well this way: refusals from now on have other reasons, unless they say so. */
  accepted(way: ChecksumWay): void {
    this.#proven[way] = true;
  }

  /** A trailer was taken without its checksum being given back: the store may have stored the framing. */
  trailerIgnored(): void {
    this.#trailers = false;
  }

  /**
   * Takes a refusal into account.
   *
   * @returns whether the upload should be sent again in a weaker way
   */
  refused(way: ChecksumWay, fault: S3Fault): boolean {
    if (way === "none" || !this.#isReason(way, fault)) return false;
    if (way === "trailer") this.#trailers = false;
    else this.#headers = false;
    return true;
  }

  #isReason(way: ChecksumWay, { status, code, message }: S3Fault): boolean {
    if (status === 501 || code === "NotImplemented") return true;
    // Bytes that arrived damaged are a reason to send them again, and none to stop looking.
    if (isMismatch(code)) return false;
    if (status === 400 && ABOUT_CHECKSUMS.test(`${code} ${message}`)) return true;
    if (this.#proven[way]) return false;
    // Before it has worked once: a generic refusal, or a signature that a gateway broke by taking the framing apart.
    if (status === 400) return ["InvalidArgument", "InvalidRequest", "MalformedTrailerError"].includes(code);
    return way === "trailer" && (status === 411 || code === "SignatureDoesNotMatch");
  }
}
