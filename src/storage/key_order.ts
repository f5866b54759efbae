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

/** The smallest of many keys, each once, without holding more than twice as many. */
export class Smallest {
  readonly #count: number;
  #keys: string[] = [];
  /** Keys from here on are too large. */
  #bound: string | null = null;

  /** @param count how many are wanted */
  constructor(count: number) {
    this.#count = count;
  }

  add(key: string): void {
    if (this.#bound !== null && compareKeys(key, this.#bound) >= 0) return;
    this.#keys.push(key);
    if (this.#keys.length >= 2 * this.#count) this.#shrink();
  }

  /** In order, and whether there were more. */
  take(): { keys: string[]; isCut: boolean } {
    this.#shrink();
    return { keys: this.#keys, isCut: this.#bound !== null };
  }

  #shrink(): void {
    const sorted = this.#keys.sort(compareKeys);
    const distinct = sorted.filter((key, i) => i === 0 || key !== sorted[i - 1]);
    if (distinct.length > this.#count) this.#bound = distinct[this.#count]!;
    this.#keys = distinct.slice(0, this.#count);
  }
}
