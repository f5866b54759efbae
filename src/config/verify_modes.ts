/**
 * What `--verify` takes.
 * @module
 */

/** Whether MD5s of large objects are compared: unless TLS protects the way already, in any case, or not at all. CRCs always are. */
export const VERIFY_MODES = ["auto", "always", "never"] as const;
/** One of {@linkcode VERIFY_MODES}. */
export type VerifyMode = typeof VERIFY_MODES[number];
