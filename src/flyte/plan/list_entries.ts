/**
 * Which entry of a list's directory is which element.
 * @module
 */
import { assertName, elementPlace, quoted } from "./names.ts";
import { Refusal, theOnly } from "./refusal.ts";

/** One element of a list. */
export interface ListEntry {
  /** Its name on the disk. */
  name: string;
  /** What its object is called: its index, or its name where that is no index. */
  segment: string;
}

/** What a directory has for one index. */
interface IndexEntry {
  exact: string | null;
  extended: string[];
}

/**
 * The entries of a list's directory: `0`, `1`, `2` and so on with or without an extension, in numeric order; or names that are no
 * indices, in natural order (`part-2` before `part-10`), as programs call the files that they make.
 *
 * Hidden files are passed over, since file systems and tools leave such behind. Names of both kinds are refused: which of them are
 * elements would be a guess.
 *
 * @throws Refusal that names what is odd
 */
export function listEntries(names: readonly string[], variable: string): ListEntry[] {
  const found = new Map<number, IndexEntry>();
  const others: string[] = [];
  for (const name of names) {
    const match = /^(0|[1-9]\d{0,14})(\..*)?$/s.exec(name);
    if (match === null) {
      if (!name.startsWith(".")) others.push(name);
      continue;
    }
    const index = Number(match[1]);
    let entry = found.get(index);
    if (entry === undefined) found.set(index, entry = { exact: null, extended: [] });
    if (match[2] === undefined) entry.exact = name;
    else entry.extended.push(name);
  }
  if (others.length === 0) return inOrder(found, variable);
  if (found.size === 0) return inNaturalOrder(others, variable);
  throw new Refusal(
    variable,
    `its directory has ${quoted(others[0]!)} beside entries named by an index, ` +
      "wanted either 0, 1, 2 and so on for a list, or names of their own alone",
  );
}

function inNaturalOrder(names: string[], variable: string): ListEntry[] {
  return names.sort(compareNaturally).map((name, index) => {
    assertName(name, elementPlace(variable, index));
    return { name, segment: name };
  });
}

function inOrder(found: ReadonlyMap<number, IndexEntry>, variable: string): ListEntry[] {
  return Array.from({ length: found.size }, (_, index) => {
    const entry = found.get(index);
    if (entry === undefined) {
      throw new Refusal(
        variable,
        `its directory has ${found.size} entries of a list but none for index ${index}`,
      );
    }
    const segment = String(index);
    const name = entry.exact ?? theOnly(entry.extended, segment, elementPlace(variable, index));
    return { name, segment };
  });
}

/** Runs of digits count as numbers; names that differ in zeros alone keep the order of their code units. */
function compareNaturally(a: string, b: string): number {
  const [left, right] = [runsOf(a), runsOf(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    const [m, n] = [numberOf(x), numberOf(y)];
    if (m !== null && n !== null && m !== n) return m < n ? -1 : 1;
    if ((m === null || n === null) && x !== y) return x < y ? -1 : 1;
  }
  if (left.length !== right.length) return left.length - right.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

function runsOf(name: string): string[] {
  return name.match(/\d+|\D+/g) ?? [];
}

function numberOf(run: string): bigint | null {
  return /^\d/.test(run) ? BigInt(run) : null;
}
