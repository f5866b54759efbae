/**
 * What a server's refusal means and how it is told, the same for every cloud.
 *
 * Pure.
 * @module
 */
import { codeOfStatus, CopilotError, type ErrorCode, type Operation } from "../../errors.ts";
import { quoted } from "./server_words.ts";

/** What a reply says is wrong. */
export interface Refused {
  status: number;
  /** The server's own word for it; empty where the reply has none. */
  code: string;
  message: string;
  /** Milliseconds that the server asked to wait. */
  retryAfterMs?: number | undefined;
}

/**
 * The error code of a refusal.
 *
 * @param known codes where the status alone would be read wrongly or says less
 */
export function codeOfRefusal(refused: Refused, known: ReadonlyMap<string, ErrorCode>): ErrorCode {
  return known.get(refused.code) ?? (isOutOfSpace(refused) ? "disk-full" : codeOfStatus(refused.status));
}

/**
 * The error for a refusal: `Cannot read "s3://b/k": status 403 AccessDenied (who are you); check …`.
 *
 * @param more what may help, each where there is something
 */
export function refusalError(
  code: ErrorCode,
  { status, code: word, message, retryAfterMs }: Refused,
  { operation, more }: { operation: Operation; more: readonly (string | undefined)[] },
): CopilotError {
  const words = quoted(message);
  const said = [`status ${status}`, quoted(word), words && `(${words})`].filter(Boolean).join(" ");
  const detail = [said, ...more].filter((part) => part !== undefined).join("; ");
  return new CopilotError(code, { ...operation, detail, status, retryAfterMs });
}

/**
 * Whether a refusal means that the store or the account is full, which lasts longer than any retry. The message is believed only
 * beside a status that says nothing else: on 429 and 503 a "quota" is a rate.
 */
export function isOutOfSpace({ status, code, message }: Refused): boolean {
  if (status === 507) return true;
  if (status === 429) return false;
  if (/quota|storage.?full|insufficient.?(?:storage|capacity|space)|no.?space/i.test(code)) return true;
  return status === 500 && /quota|no space left|storage full/i.test(message);
}
