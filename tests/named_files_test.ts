/** A file that a comment or a page names exists: a stale name sends the reader looking for nothing. */
import assert from "assert";

const ROOT = new URL("../", import.meta.url).pathname;
const SKIPPED = new Set([".git", ".cache", "dist", "node_modules", "cases", "sdk-inputs"]);
/** The beginning of a page's name may be a variable's, as in `<name>/mod.ts`. */
const NAME =
  /(?<![\w/.*<>{}$-])((?:\.{1,2}\/)*[a-z_][\w-]*(?:\/[\w.-]+)*\.(?:ts|sh|py|proto|md))(?![\w/*])/gi;

function* files(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(`${ROOT}${directory}`)) {
    if (SKIPPED.has(entry.name)) continue;
    const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else yield path;
  }
}

const all = [...files("")];

function comments(path: string): string {
  const text = Deno.readTextFileSync(`${ROOT}${path}`);
  if (path.endsWith(".md")) return text;
  const pattern = path.endsWith(".ts") ? /\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(,])\/\/.*$/gm : /^\s*#.*$/gm;
  return (text.match(pattern) ?? []).join("\n");
}

/** The files that a text names and that are not there. */
function missing(text: string): string[] {
  return [...text.matchAll(NAME)].map(([, name]) => name!.replace(/^(\.{1,2}\/)+/, ""))
    .filter((name) => !all.some((path) => path === name || path.endsWith(`/${name}`)));
}

Deno.test("every file that a comment or a page names exists", () => {
  const sources = all.filter((path) => /\.(ts|sh|py|md)$/.test(path) && path !== "tests/named_files_test.ts");
  const stale = sources.flatMap((path) => missing(comments(path)).map((name) => `${path} names ${name}`));
  assert.deepEqual(stale, []);
});

Deno.test("a stale name is found", () => {
  assert.deepEqual(missing("see src/system/deno.ts and storage/nowhere.ts, README.md"), [
    "storage/nowhere.ts",
  ]);
});
