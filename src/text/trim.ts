/**
 * Texts without what stands at their ends. Pure.
 *
 * Not regular expressions: `/ +$/` begins anew at every blank of a text, and a few hundred kilobytes of them take minutes.
 * @module
 */

/** A text without those of the given characters that it ends with. */
export function trimEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** A text without those of the given characters that it begins or ends with. */
export function trim(text: string, characters: string): string {
  let start = 0;
  while (start < text.length && characters.includes(text[start]!)) start++;
  return trimEnd(text.slice(start), characters);
}

/** The text before the first of the given characters; all of it where there is none. */
export function before(text: string, characters: string): string {
  let end = text.length;
  for (const character of characters) {
    const at = text.indexOf(character);
    if (at >= 0 && at < end) end = at;
  }
  return text.slice(0, end);
}
