/**
 * The order of keys in a listing.
 * @module
 */

/**
 * Compares two keys by their UTF-8 bytes, as object stores sort them. JavaScript's own order differs where a key holds
 * characters beyond U+FFFF: their surrogates sort below U+E000 to U+FFFF, their UTF-8 bytes above.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above the rest of the 16-bit range. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit <= 0xdfff ? unit + 0x2000 : unit - 0x800;
}
