/**
 * Prints the README's tables of flags, writes them into it, or checks that it has them.
 *
 *     deno run --allow-read --allow-write scripts/flag_tables.ts [--write | --check] [README.md]
 *
 * Without `--write` or `--check` the tables go to standard output. They stand between the markers
 * `<!-- flags:begin -->` and `<!-- flags:end -->`.
 * @module
 */
import { flagTables } from "../src/cli/help.ts";

const BEGIN = "<!-- flags:begin -->";
const END = "<!-- flags:end -->";

/**
 * A document with the tables between its markers.
 *
 * @throws Error where the markers are missing or the wrong way round
 */
export function withFlagTables(document: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`Cannot place the tables of flags: expected ${BEGIN} and ${END}`);
  }
  return `${document.slice(0, begin + BEGIN.length)}\n\n${flagTables()}\n${document.slice(end)}`;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

function main(args: readonly string[]): number {
  const mode = args.find((arg) => arg.startsWith("--"));
  const path = args.find((arg) => !arg.startsWith("--")) ?? "README.md";
  if (mode === undefined) {
    say(flagTables());
    return 0;
  }
  const before = Deno.readTextFileSync(path);
  const after = withFlagTables(before);
  if (mode === "--check") {
    if (before === after) return 0;
    say(`The tables of flags in ${path} differ from src/cli/: run scripts/flag_tables.ts --write\n`);
    return 1;
  }
  if (mode !== "--write") {
    say(`Unknown flag "${mode}": expected --write or --check\n`);
    return 2;
  }
  Deno.writeTextFileSync(path, after);
  return 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
