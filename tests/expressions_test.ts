/**
 * Regular expressions take a time that grows with the text and no faster: V8's engine goes back and tries again, so a text that a
 * stranger wrote can keep one busy for hours.
 *
 * `scslre` finds two parts of an expression that compete for the same characters, and repetitions that are begun anew at each of
 * them. Where it is wrong the exception says why.
 */
import assert from "assert";
import { analyse } from "scslre";

const ROOT = new URL("../", import.meta.url).pathname;

/** Expressions over text that only the command line or a configuration file holds, and those that are linear all the same. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  [String.raw`\\.|\[\^?\]?[^\]]*\]|[\s\S]`]: "a glob of the command line",
};

interface Expression {
  at: string;
  source: string;
  flags: string;
}

function* files(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(`${ROOT}${directory}`)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

function expressionsOf(path: string): Expression[] {
  const text = Deno.readTextFileSync(`${ROOT}${path}`);
  const found: Expression[] = [];
  const plugin: Deno.lint.Plugin = {
    name: "expressions",
    rules: {
      find: {
        create: () => ({
          Literal(node) {
            const written = text.slice(...node.range);
            if (!written.startsWith("/")) return;
            const end = written.lastIndexOf("/");
            const line = text.slice(0, node.range[0]).split("\n").length;
            found.push({
              at: `${path}:${line}`,
              source: written.slice(1, end),
              flags: written.slice(end + 1),
            });
          },
        }),
      },
    },
  };
  Deno.lint.runPlugin(plugin, path, text);
  return found;
}

const expressions = [...files("src")].flatMap(expressionsOf);

Deno.test("expressions: those of the program are found", () => {
  assert(expressions.length > 100, String(expressions.length));
});

Deno.test("expressions: none takes more than linear time", () => {
  const slow = expressions.filter(({ source, flags }) => analyse({ source, flags }).reports.length > 0)
    .filter(({ source }) => !Object.hasOwn(EXCEPTIONS, source));
  assert.deepEqual(slow.map(({ at, source, flags }) => `${at} /${source}/${flags}`), []);
});

Deno.test("expressions: no exception is stale", () => {
  const sources = new Set(expressions.map(({ source }) => source));
  assert.deepEqual(Object.keys(EXCEPTIONS).filter((source) => !sources.has(source)), []);
});
