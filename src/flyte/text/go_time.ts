/**
 * Times and durations as Go reads and prints them: time.RFC3339Nano, time.Duration.
 * @module
 */
import { parseDurationNs } from "./durations.ts";
import type { Duration, Timestamp } from "../types.ts";
import { trimEnd } from "../../text/trim.ts";

const NANOS = 1_000_000_000n;
const MIN_INT64 = -(1n << 63n);
const MAX_INT64 = (1n << 63n) - 1n;

const SECONDS_OF_DAY = 86_400n;
/** Days from 0000-03-01, where the count of years is easiest, to 1970-01-01. */
const DAYS_TO_1970 = 719_468n;
/** Days in the 400 years after which the calendar repeats. */
const ERA_DAYS = 146_097n;

/** Hours may have one digit, a fraction may follow a comma: time.Parse takes both. */
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Quotient towards minus infinity, and the remainder that goes with it. */
function divide(value: bigint, by: bigint): [bigint, bigint] {
  const rest = ((value % by) + by) % by;
  return [(value - rest) / by, rest];
}

/** Year, month and day of a count of days since 1970, in the Gregorian calendar without end. */
function civil(days: bigint): { year: bigint; month: number; day: number } {
  const [era, ofEra] = divide(days + DAYS_TO_1970, ERA_DAYS);
  const day = Number(ofEra);
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365,
  );
  const ofYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shifted = Math.floor((5 * ofYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: era * 400n + BigInt(year) + (month <= 2 ? 1n : 0n),
    month,
    day: ofYear - Math.floor((153 * shifted + 2) / 5) + 1,
  };
}

/** Days since 1970 of a date in the years 0 to 9999. */
function daysOf(year: number, month: number, day: number): number {
  return Date.UTC(year + 400, month - 1, day) / 86_400_000 - Number(ERA_DAYS);
}

/** A time as text, and the year by which JSON takes or refuses it. */
export interface TimeText {
  text: string;
  year: bigint;
}

/** RFC 3339 in UTC with as many digits of a fraction as are needed; nanoseconds beyond a second are carried over. */
export function formatTimestamp({ seconds, nanos }: Timestamp): TimeText {
  const [carry, fraction] = divide(BigInt(nanos), NANOS);
  const [days, rest] = divide(seconds + carry, SECONDS_OF_DAY);
  const { year, month, day } = civil(days);
  const two = (value: number) => String(value).padStart(2, "0");
  const second = Number(rest);
  const clock = [Math.floor(second / 3600), Math.floor(second / 60) % 60, second % 60].map(two).join(":");
  const years = (year < 0n ? "-" : "") + String(year < 0n ? -year : year).padStart(4, "0");
  return { text: `${years}-${two(month)}-${two(day)}T${clock}${fractionText(fraction, 9)}Z`, year };
}

/** `.5` for 500000000 of 9 digits; nothing for 0. */
function fractionText(value: bigint, digits: number): string {
  return value === 0n ? "" : `.${trimEnd(String(value).padStart(digits, "0"), "0")}`;
}

/** What time.Parse(time.RFC3339, text) makes of a text; undefined where it refuses. Digits after the ninth are cut. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const number = (group: number) => Number(match[group] ?? "0");
  const [year, month, day] = [number(1), number(2), number(3)];
  const [hour, minute, second] = [number(4), number(5), number(6)];
  const [zoneHours, zoneMinutes] = [number(9), number(10)];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || zoneHours > 24 || zoneMinutes > 60) return undefined;
  const local = daysOf(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
  const offset = (zoneHours * 60 + zoneMinutes) * 60 * (match[8] === "-" ? -1 : 1);
  const nanos = Number((match[7] ?? "").slice(0, 9).padEnd(9, "0"));
  return { seconds: BigInt(local - offset), nanos };
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : DAYS_OF_MONTH[month - 1]!;
}

/** A duration in nanoseconds, at the nearest end of int64 where it is beyond, as Go's AsDuration. */
export function durationNs({ seconds, nanos }: Duration): bigint {
  const ns = seconds * NANOS + BigInt(nanos);
  return ns < MIN_INT64 ? MIN_INT64 : ns > MAX_INT64 ? MAX_INT64 : ns;
}

/** What time.Duration's String prints: `1h2m3.5s`, `1.5µs`, `0s`. */
export function formatDuration(ns: bigint): string {
  if (ns === 0n) return "0s";
  const sign = ns < 0n ? "-" : "";
  const size = ns < 0n ? -ns : ns;
  if (size < 1_000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${size / 1_000n}${fractionText(size % 1_000n, 3)}µs`;
  if (size < NANOS) return `${sign}${size / 1_000_000n}${fractionText(size % 1_000_000n, 6)}ms`;
  const total = size / NANOS;
  const seconds = `${total % 60n}${fractionText(size % NANOS, 9)}s`;
  if (total < 60n) return sign + seconds;
  const minutes = `${total / 60n % 60n}m${seconds}`;
  return total < 3600n ? sign + minutes : `${sign}${total / 3600n}h${minutes}`;
}

/** What time.ParseDuration makes of a text; undefined where it refuses. */
export function parseDuration(text: string): Duration | undefined {
  const ns = parseDurationNs(text);
  return ns === undefined ? undefined : { seconds: ns / NANOS, nanos: Number(ns % NANOS) };
}
