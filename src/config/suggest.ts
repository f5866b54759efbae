/**
 * What somebody may have meant.
 * @module
 */

/**
 * The candidate nearest to a misspelt word, as the end of a message: `, did you mean "--format"?` without the question
 * mark; empty where nothing is near.
 *
 * @example
 * ```ts
 * import assert from "assert";
 * import { suggestion } from "./suggest.ts";
 *
 * assert.equal(suggestion("formta", ["format", "timeout"], { mark: "--" }), ', did you mean "--format"');
 * assert.equal(suggestion("something", ["format", "timeout"]), "");
 * ```
 *
 * @param options.mark what stands before a candidate within the message: `--`
 */
export function suggestion(
  word: string,
  candidates: readonly string[],
  options: { mark?: string } = {},
): string {
  const wanted = normal(word);
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, normal(candidate));
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best === undefined ? "" : `, did you mean "${options.mark ?? ""}${best}"`;
}

function normal(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll("_", "-");
}

/** Insertions, deletions, changes and swaps of neighbours that make one word of the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, change);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}
