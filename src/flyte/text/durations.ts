/**
 * Durations as Go writes them (`1h0m0s`, `1.5h`, `300ms`), exact to the nanosecond.
 * @module
 */

const MAX = (1n << 63n) - 1n;
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["\u00b5s", 1_000n],
  ["\u03bcs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);
const TERM = /(\d*)(?:\.(\d*))?([^\d.]+)/y;

/**
 * What Go's time.ParseDuration makes of a text: an optional sign, then numbers with units (`h m s ms us ns`), or `0`.
 *
 * @returns nanoseconds, within int64; undefined for a text that is no duration
 */
export function parseDurationNs(text: string): bigint | undefined {
  const negative = text.startsWith("-");
  const terms = negative || text.startsWith("+") ? text.slice(1) : text;
  if (terms === "0") return 0n;
  if (terms === "") return undefined;
  let sum = 0n;
  for (TERM.lastIndex = 0; TERM.lastIndex < terms.length;) {
    const match = TERM.exec(terms);
    const unit = match === null ? undefined : UNITS.get(match[3]!);
    if (match === null || unit === undefined) return undefined;
    const whole = match[1]!;
    const fraction = match[2] ?? "";
    if (whole === "" && fraction === "") return undefined;
    sum += BigInt(whole === "" ? "0" : whole) * unit;
    sum += fractionNs(fraction, unit);
  }
  if (sum > (negative ? MAX + 1n : MAX)) return undefined;
  return negative ? -sum : sum;
}

/** A fraction as Go computes it: digits that fit 63 bits, in doubles, so that `0.33333333333333333h` is 20 minutes. */
function fractionNs(digits: string, unit: bigint): bigint {
  let value = 0n;
  let scale = 1;
  for (const digit of digits) {
    if (value > MAX / 10n) break;
    const next = value * 10n + BigInt(digit);
    if (next > MAX + 1n) break;
    value = next;
    scale *= 10;
  }
  return BigInt(Math.trunc(Number(value) * (Number(unit) / scale)));
}

/**
 * As {@linkcode parseDurationNs}, in milliseconds for timers; a part of a millisecond counts as a whole one, so that a
 * bound that is not 0 never becomes 0.
 */
export function parseDurationMs(text: string): number | undefined {
  const ns = parseDurationNs(text);
  if (ns === undefined) return undefined;
  const ms = ns / 1_000_000n;
  const rest = ns % 1_000_000n;
  return Number(rest === 0n ? ms : ms + (rest > 0n ? 1n : -1n));
}
