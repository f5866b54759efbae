/**
 * Prints the tables of flags, writes them into docs/flags.md, or checks that it has them.
 *
 *     deno run --allow-read --allow-write scripts/flag_tables.ts [--write | --check]
 *
 * Without `--write` or `--check` the tables go to standard output. They stand between the markers
 * `<!-- flags:begin -->` and `<!-- flags:end -->`.
 * @module
 */
import { flagTables } from "../src/cli/flag_docs.ts";

const PAGE = new URL("../docs/flags.md", import.meta.url);
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

function main([mode]: readonly string[]): number {
  if (mode === undefined) {
    say(flagTables());
    return 0;
  }
  if (mode !== "--write" && mode !== "--check") {
    say(`Unknown argument "${mode}": expected --write or --check\n`);
    return 2;
  }
  const before = Deno.readTextFileSync(PAGE);
  const after = withFlagTables(before);
  if (mode === "--write") Deno.writeTextFileSync(PAGE, after);
  else if (before !== after) {
    say("The tables of docs/flags.md differ from src/cli/ and src/config/: run deno task flags\n");
    return 1;
  }
  return 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
