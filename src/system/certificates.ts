/**
 * Certificates that a user's files add to those that the runtime trusts by itself.
 * @module
 */
import process from "node:process";

/** A file of fewer costs next to nothing. */
const MANY = 8;

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Drops those that are built in. The usual file is a distribution's copy of the same list, and the runtime parses what it is given, and
 * keeps it, once for every connection: 145 took 90 KiB and a millisecond each.
 *
 * @param pem a file of certificates
 * @param env where `DENO_TLS_CA_STORE` may have replaced the built-in ones
 * @returns the rest; null where nothing is left
 */
export function besidesBuiltIn(pem: string, env: Readonly<Record<string, string>>): string | null {
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length < MANY || env["DENO_TLS_CA_STORE"]) return pem;
  // Loaded only here: hardly any run has such a file.
  const { rootCertificates } = process.getBuiltinModule("node:tls");
  const builtIn = new Set(rootCertificates.map(bare));
  const rest = blocks.filter((block) => !builtIn.has(bare(block)));
  return rest.length === 0 ? null : rest.join("\n");
}

/** However its lines are broken. */
function bare(block: string): string {
  return block.replace(/\s+/g, "");
}
