/**
 * AWS Signature Version 4 for S3 and STS, for requests whose URI is already encoded.
 *
 * The signing key is derived once per day and credentials, so that a request costs one HMAC and one hash. Signed are `host`
 * and the `x-amz-*` headers; others (Range, If-Match) may be changed by a proxy without breaking the request.
 * @module
 */
import { createHash } from "node:crypto";
import { Hmac } from "../../cloud/hmac.ts";
import type { Credentials } from "./identity/mod.ts";

/** A request as far as its signature covers it. */
export interface SignedPart {
  method: string;
  /** Percent-encoded, without query. */
  path: string;
  /** Canonical: names sorted, everything encoded by percent_encoding.ts. Empty for none. */
  query: string;
  /** The `Host` header. */
  host: string;
  /** Names in lower case. */
  headers: readonly (readonly [string, string])[];
  /** SHA-256 of the body in hexadecimal, or one of S3's words for an unsigned one. */
  payload: string;
}

/** The payload of a body that the signature does not cover. */
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
/** The payload of an unsigned body in aws-chunked framing with a checksum behind it. */
export const UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/** The payload of a request without body. */
export const EMPTY_PAYLOAD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** SHA-256 in hexadecimal. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** A name in lower case and a value. */
type Header = readonly [string, string];

/** Puts a header in its place among others, of which there are a handful in order. */
function insert(headers: Header[], header: Header): void {
  headers.push(header);
  let at = headers.length - 1;
  for (; at > 0 && headers[at - 1]![0] > header[0]; at--) headers[at] = headers[at - 1]!;
  headers[at] = header;
}

/** Signs requests for one service and region. */
export class Signer {
  readonly #region: string;
  readonly #service: string;
  #key: { credentials: Credentials; day: string; hmac: Hmac } | null = null;
  #stamp = { second: -1, text: "" };

  constructor(region: string, service = "s3") {
    this.#region = region;
    this.#service = service;
  }

  /**
   * The headers to send: the given ones with date, payload, token and signature.
   *
   * @param nowMs milliseconds since 1970, by the server's clock
   */
  sign(part: SignedPart, credentials: Credentials, nowMs: number): Header[] {
    const date = this.#date(nowMs);
    const host: Header = ["host", part.host];
    const signed: Header[] = [host, ["x-amz-content-sha256", part.payload], ["x-amz-date", date]];
    if (credentials.sessionToken !== undefined) {
      signed.push(["x-amz-security-token", credentials.sessionToken.reveal()]);
    }
    const sent: Header[] = [];
    for (const header of part.headers) {
      if (header[0].startsWith("x-amz-")) insert(signed, header);
      else sent.push(header);
    }
    let [names, lines] = ["", ""];
    for (const header of signed) {
      names += names === "" ? header[0] : `;${header[0]}`;
      lines += `${header[0]}:${header[1]}\n`;
      // The client writes `Host` itself.
      if (header !== host) sent.push(header);
    }
    const canonical = `${part.method}\n${part.path}\n${part.query}\n${lines}\n${names}\n${part.payload}`;
    const day = date.slice(0, 8);
    const scope = `${day}/${this.#region}/${this.#service}/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256Hex(canonical)}`;
    const signature = this.#signingKey(credentials, day).digest(text, "hex");
    const credential = `${credentials.accessKeyId}/${scope}`;
    sent.push([
      "authorization",
      `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
    ]);
    return sent;
  }

  /** `YYYYMMDDTHHMMSSZ`. */
  #date(nowMs: number): string {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#stamp.second) {
      this.#stamp = { second, text: new Date(second * 1000).toISOString().replace(/[-:]|\.000/g, "") };
    }
    return this.#stamp.text;
  }

  #signingKey(credentials: Credentials, day: string): Hmac {
    const known = this.#key;
    if (known !== null && known.credentials === credentials && known.day === day) return known.hmac;
    let hmac = new Hmac(new TextEncoder().encode(`AWS4${credentials.secretAccessKey.reveal()}`));
    for (const step of [day, this.#region, this.#service, "aws4_request"]) hmac = new Hmac(hmac.digest(step));
    this.#key = { credentials, day, hmac };
    return hmac;
  }
}
