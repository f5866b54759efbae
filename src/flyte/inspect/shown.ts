/**
 * Texts of strangers for a terminal.
 * @module
 */

/** Characters that a terminal obeys: controls, line ends, changes of direction. */
const HIDDEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** A text without the characters that a terminal obeys; they stand in it as `\\u{1b}`. */
export function shown(text: string): string {
  return text.replace(HIDDEN, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}
