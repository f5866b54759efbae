/**
 * Numbers as Go reads and prints them: strconv's ParseInt, ParseFloat, ParseBool and FormatFloat.
 * @module
 */

const MIN_INT64 = -(1n << 63n);
const MAX_INT64 = (1n << 63n) - 1n;

const INTEGER = /^[+-]?[0-9]+$/;
const INFINITY = /^([+-]?)inf(?:inity)?$/i;
const NAN = /^nan$/i;
const DECIMAL = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?p([+-]?[0-9]+)$/i;
/** An underscore stands between two digits, or between the base and a digit. */
const MISPLACED_UNDERSCORE = /(?<![0-9a-f]|^[+-]?0x)_|_(?![0-9a-f])/i;
const MISPLACED_IN_DECIMAL = /(?<![0-9])_|_(?![0-9])/;

/** Bits of a double's significand, and the exponents of its largest and smallest normal powers of two. */
const PRECISION = 53;
const MAX_EXPONENT = 1023;
const MIN_EXPONENT = -1022;
/** Exponents beyond this are out of range, or zero, for every significand that fits in a value's file. */
const EXPONENT_BOUND = 10_000;

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text): [string, boolean] => [text, true]),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text): [string, boolean] => [text, false]),
]);

/** What a text is not: no number at all, or one that the type cannot hold. */
export type NumberFault = "syntax" | "range";

/** What Go's ParseInt(text, 10, 64) makes of a text. */
export function parseInteger(text: string): bigint | NumberFault {
  if (!INTEGER.test(text)) return "syntax";
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return value < MIN_INT64 || value > MAX_INT64 ? "range" : value;
}

/** What Go's ParseBool makes of a text. */
export function parseBoolean(text: string): boolean | undefined {
  return BOOLEANS.get(text);
}

/** What Go's ParseFloat(text, 64) makes of a text: the nearest double, ties to even. */
export function parseFloat64(text: string): number | NumberFault {
  const infinity = INFINITY.exec(text);
  if (infinity !== null) return infinity[1] === "-" ? -Infinity : Infinity;
  if (NAN.test(text)) return NaN;
  const hexadecimal = /^[+-]?0x/i.test(text);
  if ((hexadecimal ? MISPLACED_UNDERSCORE : MISPLACED_IN_DECIMAL).test(text)) return "syntax";
  const digits = text.replaceAll("_", "");
  const value = hexadecimal ? parseHexadecimal(digits) : DECIMAL.test(digits) ? Number(digits) : undefined;
  if (value === undefined) return "syntax";
  return Number.isFinite(value) ? value : "range";
}

function parseHexadecimal(text: string): number | undefined {
  const [, sign, whole, fraction = "", power] = HEXADECIMAL.exec(text) ?? [];
  if (whole === undefined || whole + fraction === "") return undefined;
  const exponent = Math.max(-EXPONENT_BOUND, Math.min(EXPONENT_BOUND, Number(power)));
  const value = scaled(BigInt(`0x${whole}${fraction}`), exponent - 4 * fraction.length);
  return sign === "-" ? -value : value;
}

/** The double nearest to `significand * 2 ** exponent`, ties to even. */
function scaled(significand: bigint, exponent: number): number {
  if (significand === 0n) return 0;
  const length = significand.toString(2).length;
  const top = exponent + length - 1;
  if (top > MAX_EXPONENT) return Infinity;
  const kept = top >= MIN_EXPONENT ? PRECISION : PRECISION - (MIN_EXPONENT - top);
  if (kept < 0) return 0;
  const drop = length - kept;
  if (drop <= 0) return Number(significand) * 2 ** exponent;
  const half = 1n << BigInt(drop - 1);
  const rest = significand & (2n * half - 1n);
  let rounded = significand >> BigInt(drop);
  if (rest > half || (rest === half && (rounded & 1n) === 1n)) rounded++;
  return Number(rounded) * 2 ** (exponent + drop);
}

/** What Go's FormatFloat(value, 'f', -1, 64) prints: as many digits as tell the value, never an exponent. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [mantissa = "", power] = String(Math.abs(value)).split("e");
  if (power === undefined) return sign + mantissa;
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = whole + fraction;
  const point = whole.length + Number(power);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return sign + digits.padEnd(point, "0");
}

/** What Go's FormatFloat(value, 'g', -1, 64) prints of a finite value: an exponent below 1e-4 and from 1e6 on. */
export function formatShortFloat(value: number): string {
  const [mantissa = "", power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return formatFloat(value);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
