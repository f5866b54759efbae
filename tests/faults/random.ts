/**
 * Chance that can be had again: a seed decides everything.
 * @module
 */

/** A source of numbers that a seed determines. */
export class Random {
  #state: number;

  /** @param seed any number; texts are hashed */
  constructor(seed: number | string) {
    this.#state = typeof seed === "number" ? seed >>> 0 : hash(seed);
  }

  /** A number in [0, 1). (mulberry32) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, `below`). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True with a probability in [0, 1]. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    const words = new Uint32Array(bytes.buffer, 0, length >> 2);
    for (let index = 0; index < words.length; index++) words[index] = this.next() * 2 ** 32;
    for (let index = words.length * 4; index < length; index++) bytes[index] = this.below(256);
    return bytes;
  }
}

/** A text as 32 bits (FNV-1a with a final mix). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) h = Math.imul(h ^ text.charCodeAt(index), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
