import assert from "assert";
import { clearTimes, renameChunks } from "../../scripts/stable_names.ts";

/** A bundle as the bundler leaves it: the hashes in its names hang on where the sources lie. */
function bundle(hash: (name: string) => string): string {
  const directory = Deno.makeTempDirSync();
  const name = (base: string) => `${base}-${hash(base)}.js`;
  const write = (path: string, text: string) => Deno.writeTextFileSync(`${directory}/${path}`, text);
  Deno.mkdirSync(`${directory}/src`);
  write("main.js", `import{a}from"./${name("chunk")}";import("./${name("app")}");"not-A-CHUNK123.js"`);
  write("src/worker.js", `import"../${name("app")}";import"../${name("other")}";`);
  write(name("chunk"), "export const a=1;");
  write(name("app"), `import{a}from"./${name("chunk")}";`);
  write(name("other"), `import"./${name("app")}";`);
  return directory;
}

function contents(directory: string): Record<string, string> {
  const files = ["", "src/"].flatMap((below) =>
    [...Deno.readDirSync(directory + "/" + below)].filter(({ isFile }) => isFile).map(({ name }) =>
      below + name
    )
  );
  return Object.fromEntries(
    files.sort().map((file) => [file, Deno.readTextFileSync(`${directory}/${file}`)]),
  );
}

Deno.test("stable names: two bundles of one program become the same files", () => {
  const first = bundle((base) => base.toUpperCase().padEnd(8, "X"));
  const second = bundle((base) => [...base.toUpperCase().padStart(8, "Z")].reverse().join(""));
  for (const directory of [first, second]) renameChunks(directory, ["main.js", "src/worker.js"]);
  assert.deepEqual(contents(first), contents(second));
  assert.deepEqual(Object.keys(contents(first)), [
    "app-2.js",
    "chunk-1.js",
    "main.js",
    "other-3.js",
    "src/worker.js",
  ]);
  assert.equal(
    contents(first)["main.js"],
    'import{a}from"./chunk-1.js";import("./app-2.js");"not-A-CHUNK123.js"',
  );
  for (const directory of [first, second]) Deno.removeSync(directory, { recursive: true });
});

Deno.test("stable names: a chunk that nothing imports is an error that names it", () => {
  const directory = bundle((base) => base.toUpperCase().padEnd(8, "X"));
  assert.throws(() => renameChunks(directory, ["main.js"]), /other-OTHERXXX\.js/);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("stable names: every file of a bundle has one time", () => {
  const directory = bundle((base) => base.toUpperCase().padEnd(8, "X"));
  clearTimes(directory);
  for (const file of ["main.js", "src/worker.js"]) {
    assert.equal(Deno.statSync(`${directory}/${file}`).mtime?.getTime(), 0);
  }
  Deno.removeSync(directory, { recursive: true });
});
