/**
 * No code prints a URI but through `shownUri`: an error shows its object with it, a log its fields; what stands in the text of a message
 * has to be shown there.
 */
import assert from "assert";

const ROOT = new URL("../", import.meta.url).pathname;

/** What a URI is called in this program, as the last name of an expression. */
const URI_NAME = /(?:^|\.)(?:uri|url|href|location|address|endpoint|from|outputPrefix|rawPrefix|text)$/i;

function* files(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(`${ROOT}${directory}`)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

/** Expressions that a template puts into quotes, as messages do with what they are about. */
function quoted(path: string): string[] {
  const text = Deno.readTextFileSync(`${ROOT}${path}`);
  const found: string[] = [];
  const plugin: Deno.lint.Plugin = {
    name: "quoted",
    rules: {
      find: {
        create: () => ({
          TemplateLiteral(node) {
            for (const expression of node.expressions) {
              const [start, end] = expression.range;
              if (text.slice(start - 3, start) === '"${' && text.slice(end, end + 2) === '}"') {
                found.push(text.slice(start, end));
              }
            }
          },
        }),
      },
    },
  };
  Deno.lint.runPlugin(plugin, path, text);
  return found;
}

Deno.test("URIs: what a message quotes is shown by shownUri", () => {
  const all = [...files("src")].flatMap((path) => quoted(path).map((expression) => ({ path, expression })));
  assert(all.length > 50, "messages are found");
  const bare = all.filter(({ expression }) => URI_NAME.test(expression));
  assert.deepEqual(bare.map(({ path, expression }) => `${path}: ${expression}`), []);
});
