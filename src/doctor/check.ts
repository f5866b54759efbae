/**
 * What a check of `copilot doctor` found, and how the findings are shown.
 *
 * Pure.
 * @module
 */
import type { SettingOrigin } from "../cli/mod.ts";
import { printable } from "../system/log.ts";

/** One finding. */
export interface Check {
  /** What was looked at: `clock`, `write --to-output-prefix`. */
  name: string;
  /** `no`: something that this set-up does not need is not there. */
  state: "ok" | "failed" | "no";
  /** What was seen. */
  what: string;
  /** How to mend it; always there where the state is `failed`. */
  mend?: string;
}

/** Everything that was found. */
export interface Diagnosis {
  version: string;
  settings: readonly SettingOrigin[];
  checks: readonly Check[];
}

/** Whether nothing has failed. */
export function isHealthy({ checks }: Diagnosis): boolean {
  return checks.every(({ state }) => state !== "failed");
}

/** As JSON, for programs. */
export function diagnosisJson(diagnosis: Diagnosis): string {
  return `${JSON.stringify({ ok: isHealthy(diagnosis), ...diagnosis }, null, 2)}\n`;
}

/**
 * As a table, for people.
 *
 * @param width columns of the terminal
 */
export function diagnosisTable(diagnosis: Diagnosis, width: number): string {
  const { settings, checks } = diagnosis;
  const failed = checks.filter(({ state }) => state === "failed").length;
  const rows = checks.flatMap(({ name, state, what, mend }) => [
    { left: `${state.padEnd(6)}  ${name}`, right: what },
    ...(mend === undefined ? [] : [{ left: "", right: `mend: ${mend}` }]),
  ]);
  return [
    diagnosis.version,
    "",
    ...table(settings.map(({ name, value, from }) => ({ left: name, right: `${value} (${from})` })), width),
    ...(settings.length === 0 ? [] : [""]),
    ...table(rows, width),
    "",
    failed === 0 ? "All is well" : `${failed} of ${checks.length} checks failed`,
    "",
  ].join("\n");
}

interface Row {
  left: string;
  right: string;
}

/** A narrower terminal has no room for two columns beside each other. */
const MIN_TWO_COLUMNS = 60;

/** Two columns; where the terminal is narrow the second is below the first. */
function table(rows: readonly Row[], width: number): string[] {
  const longest = Math.max(0, ...rows.map(({ left }) => left.length));
  const indent = width < MIN_TWO_COLUMNS ? 4 : Math.min(longest, 34) + 2;
  return rows.flatMap(({ left, right }) => {
    const lines = fold(printable(right), Math.max(16, width - indent));
    const rest = lines.map((line) => " ".repeat(indent) + line);
    if (left.length + 2 > indent) return [left, ...rest];
    if (left === "") return rest;
    return [left.padEnd(indent) + (lines[0] ?? ""), ...rest.slice(1)];
  });
}

/** A text in lines of so many characters; a longer word stands alone. */
function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
