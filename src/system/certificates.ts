/**
 * Certificates that a user's files add to those that the runtime trusts by itself.
 * @module
 */
import process from "node:process";

/** A file of fewer costs next to nothing. */
const MANY = 8;

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const added = new WeakMap<readonly string[], string[]>();

/**
 * Drops those that are built in. The usual file is a distribution's copy of the same list, and the runtime parses what it is given, and
 * keeps it, once for every connection: 145 took 90 KiB and a millisecond each. It is found out at the first connection, since that takes
 * 6 ms and not every run has one over TLS, and remembered with the list.
 *
 * @param pems files of certificates
 * @returns what is left of them
 */
export function addedCertificates(pems: readonly string[]): string[] {
  let rest = added.get(pems);
  if (rest === undefined) {
    rest = pems.flatMap((pem) => besidesBuiltIn(pem) ?? []);
    added.set(pems, rest);
  }
  return rest;
}

/** A file without those that are built in; null where nothing is left. A file of a few stays as it is. */
export function besidesBuiltIn(pem: string): string | null {
  const blocks = oneByOne(pem);
  if (blocks.length < MANY) return pem;
  // Loaded only here: hardly any run has such a file.
  const { rootCertificates } = process.getBuiltinModule("node:tls");
  const builtIn = new Set(rootCertificates.map(bare));
  const rest = blocks.filter((block) => !builtIn.has(bare(block)));
  return rest.length === 0 ? null : rest.join("\n");
}

/**
 * A file's certificates, each a file of its own: all of these stay, also where something else than what is built in is trusted. A file
 * without any is left for the runtime to refuse.
 */
export function oneByOne(pem: string): string[] {
  return pem.match(BLOCK) ?? [pem];
}

/** However its lines are broken. */
function bare(block: string): string {
  return block.replace(/\s+/g, "");
}
