/**
 * Sizes, rates and times as people read them.
 *
 * Pure.
 * @module
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** A number of bytes: `7 B`, `1.5 KiB`, `123 MiB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.5 would be shown as 1024.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Bytes in so many milliseconds as a rate: `12.5 MiB/s`. */
export function rateText(bytes: number, ms: number): string {
  return `${sizeText(ms <= 0 ? 0 : bytes * 1000 / ms)}/s`;
}

/** A time: `450 ms`, `3.2 s`, `4m05s`, `1h02m`. */
export function timeText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return seconds < 3600
    ? `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
    : `${Math.floor(seconds / 3600)}h${two(seconds % 3600 / 60)}m`;
}

/** `1 file`, `2 files`. */
export function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
