/** Command lines that people copy: those of help, README and docs are understood as they stand there. */
import assert from "assert";
import { parse } from "../../src/cli/mod.ts";
import { COMMAND_TABLE, COMMANDS } from "../../src/cli/command_table.ts";

const ROOT = new URL("../../", import.meta.url);

/** The lines of shell blocks, continued ones joined, comments and prompts cut off. */
function* shellLines(page: string): Generator<string> {
  for (const [, block] of page.matchAll(/^```(?:sh|bash|console)\n([\s\S]*?)^```/gm)) {
    for (const line of block!.replace(/\\\n\s*/g, " ").split("\n")) {
      yield line.replace(/^\$ /, "").replace(/\s+#.*$/, "");
    }
  }
}

/** The arguments of a call of copilot; null for a line without one, or one that a shell has to work out first. */
function argumentsOf(line: string): string[] | null {
  const call = /^\s*(?:[A-Z][\w.]*=\S* )*(?:\S*\/)?copilot ([^|;&<>]*?)\s*(?:[|;&<>].*)?$/.exec(line)?.[1];
  if (call === undefined || /…|\.\.\.|\$\(|`|\[/.test(call.replace(/'[^']*'/g, ""))) return null;
  return [...call.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word.replace(/['"]/g, ""));
}

function check(line: string, where: string): boolean {
  const argv = argumentsOf(line);
  if (argv === null) return false;
  assert.doesNotThrow(() => parse(argv), `${where}: ${line}`);
  return true;
}

Deno.test("examples: those of help are understood", () => {
  let checked = 0;
  for (const name of COMMANDS) {
    for (const example of COMMAND_TABLE[name].examples) {
      if (check(example.replace(/\\\n\s*/g, " "), name)) checked++;
    }
  }
  assert(checked >= 15, `${checked} were checked`);
});

Deno.test("examples: those of README and docs are understood", () => {
  const pages = [
    "README.md",
    ...[...Deno.readDirSync(new URL("docs", ROOT))].map(({ name }) => `docs/${name}`),
  ];
  let checked = 0;
  for (const page of pages.filter((name) => name.endsWith(".md"))) {
    for (const line of shellLines(Deno.readTextFileSync(new URL(page, ROOT)))) {
      if (check(line, page)) checked++;
    }
  }
  assert(checked >= 8, `${checked} were checked`);
});
