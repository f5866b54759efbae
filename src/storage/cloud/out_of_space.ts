/**
 * Refusals for lack of space, which last longer than any retry.
 * @module
 */

/**
 * Whether a refusal means that the store or the account is full.
 *
 * @param code the server's own word for it
 * @param message its explanation, which is believed only beside a status that says nothing else: on 429 and 503 a "quota" is a rate
 */
export function isOutOfSpace(
  { status, code, message }: { status: number; code: string; message: string },
): boolean {
  if (status === 507) return true;
  if (status === 429) return false;
  if (/quota|storage.?full|insufficient.?(?:storage|capacity|space)|no.?space/i.test(code)) return true;
  return status === 500 && /quota|no space left|storage full/i.test(message);
}
