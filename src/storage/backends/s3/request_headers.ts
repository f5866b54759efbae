/**
 * Headers that settings add to requests: encryption at rest, and who pays.
 *
 * Settings (`storage.stow.config`): `server_side_encryption` (`AES256`, `aws:kms` or `aws:kms:dsse`), `kms_key_id`,
 * `sse_customer_key` (32 bytes in base64), `request_payer` (`requester`).
 * @module
 */
import { createHash } from "node:crypto";
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot, type CopilotError } from "../../../errors.ts";

type Header = readonly [string, string];

/** A request as far as its headers depend on it. */
export interface HeadedRequest {
  method: string;
  query?: string;
  of?: "object" | "bucket";
}

/** The headers to add to a request. */
export type RequestHeaders = (request: HeadedRequest) => readonly Header[];

const ENCRYPTION = "x-amz-server-side-encryption";
const ENCRYPTIONS = ["AES256", "aws:kms", "aws:kms:dsse"];
const CUSTOMER_KEY_BYTES = 32;

/**
 * What the settings add.
 *
 * @param isSecure whether requests go over TLS, without which a customer's key is not sent
 * @throws CopilotError `config` for settings that cannot work
 */
export function requestHeaders(settings: StoreSettings, { isSecure }: { isSecure: boolean }): RequestHeaders {
  const payer = payerHeaders(settings);
  const customer = customerHeaders(settings, { isSecure });
  const stored = encryptionHeaders(settings);
  if (customer.length > 0 && stored.length > 0) {
    throw refused("server_side_encryption", "sse_customer_key is there too, expected one of them");
  }
  const ofNone = payer;
  const ofObject = [...payer, ...customer];
  const ofNew = [...ofObject, ...stored];
  return ({ method, query = "", of = "object" }) => {
    if (of === "bucket" || method === "DELETE") return ofNone;
    const isNew = (method === "PUT" && query === "") || (method === "POST" && query === "uploads=");
    return isNew ? ofNew : ofObject;
  };
}

function payerHeaders({ values }: StoreSettings): Header[] {
  const payer = values.request_payer ?? "";
  if (payer === "") return [];
  if (payer !== "requester") throw refused("request_payer", `it is "${payer}", expected requester`);
  return [["x-amz-request-payer", payer]];
}

function encryptionHeaders({ values }: StoreSettings): Header[] {
  const { server_side_encryption: kind = "", kms_key_id: id = "" } = values;
  if (kind === "" && id === "") return [];
  if (!ENCRYPTIONS.includes(kind)) {
    throw refused("server_side_encryption", `it is "${kind}", expected one of ${ENCRYPTIONS.join(", ")}`);
  }
  if (id === "") return [[ENCRYPTION, kind]];
  if (kind === "AES256") throw refused("kms_key_id", "server_side_encryption is AES256, expected aws:kms");
  return [[ENCRYPTION, kind], [`${ENCRYPTION}-aws-kms-key-id`, id]];
}

function customerHeaders({ secrets }: StoreSettings, { isSecure }: { isSecure: boolean }): Header[] {
  const text = secrets.sse_customer_key?.reveal() ?? "";
  if (text === "") return [];
  const key = decoded(text);
  if (key?.length !== CUSTOMER_KEY_BYTES) {
    throw refused("sse_customer_key", `expected ${CUSTOMER_KEY_BYTES} bytes in base64`);
  }
  if (!isSecure) {
    throw refused("sse_customer_key", "the key would be sent in the clear, expected an https endpoint");
  }
  return [
    [`${ENCRYPTION}-customer-algorithm`, "AES256"],
    [`${ENCRYPTION}-customer-key`, key.toBase64()],
    [`${ENCRYPTION}-customer-key-md5`, createHash("md5").update(key).digest("base64")],
  ];
}

function decoded(text: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(text.trim());
  } catch {
    return null;
  }
}

function refused(key: string, why: string): CopilotError {
  return cannot(`use storage.stow.config ${key}`, { config: why });
}
