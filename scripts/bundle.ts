/**
 * The program as the executable embeds it: main.ts as a module; each thread's code as one script; each library of src/packages/ as
 * a module that is read when it is needed.
 * @module
 */
import { UNBUILT } from "../src/cli/version.ts";

/** Runs Deno with these arguments in a directory. */
export type RunDeno = (args: string[], cwd: string) => Promise<void>;

/** The main thread's code and the Worker's, by the path of their module. */
export const THREADS = ["src/app", "src/sandbox/worker"] as const;

/** Stands for the place of a thread's script in a bundle of main.ts, and the Worker's in the main thread's script. */
const APP = 'import("./src/app.ts")';
const WORKER = /new URL\("\.\/worker\.ts",\s*[\w$]+\.url\)/;

/**
 * esbuild turns a CommonJS package's `require` of a Node module into a call that fails in an ES module; this one answers it
 * without loading node:module at start-up.
 */
const REQUIRE_BANNER = "const require=(name)=>globalThis.process.getBuiltinModule(name);\n";

/** What a program is made of. */
export interface Sources {
  /** The project's directory. */
  root: string;
  deno: RunDeno;
  /** Says which commit it is. */
  build: string;
}

/**
 * Bundles the program into a directory: `main.js` is where it begins, with `load.js` or, for training, `train.js` below `startup/`.
 *
 * @throws Error where the program is not as it is expected here
 */
export async function bundle(directory: string, { root, deno, build }: Sources): Promise<void> {
  const run = (...args: string[]) => deno(["bundle", "--platform", "deno", "--minify", ...args], root);
  const libraries = [...Deno.readDirSync(`${root}/src/packages`)].map(({ name }) => name).sort();
  const externals = libraries.flatMap((name) => ["--external", `*/packages/${name}`]);
  await run("--external", "./src/app.ts", "--output", `${directory}/main.js`, "main.ts");
  for (const thread of THREADS) {
    const script = `${directory}/${thread}.txt`;
    await run("--format", "cjs", ...externals, "--output", script, `${thread}.ts`);
  }
  await run("--outdir", `${directory}/src/packages`, ...libraries.map((name) => `src/packages/${name}`));
  await run("--outdir", `${directory}/startup`, "scripts/startup/load.ts", "scripts/startup/train.ts");
  edit(
    `${directory}/main.js`,
    (text) => replaced(text, APP, 'import("./src/app.js").then(({exports})=>exports)'),
  );
  edit(
    `${directory}/src/app.txt`,
    (text) => replaced(text, WORKER, 'new URL("./src/sandbox/worker.js",home)'),
  );
  for (const thread of THREADS) {
    edit(`${directory}/${thread}.txt`, (text) => asFunction(text.replaceAll(UNBUILT, build)));
    Deno.writeTextFileSync(`${directory}/${thread}.js`, loader(thread));
  }
  for (const name of libraries) {
    edit(`${directory}/src/packages/${name.replace(/ts$/, "js")}`, (text) => REQUIRE_BANNER + text);
  }
}

function edit(path: string, change: (text: string) => string): void {
  Deno.writeTextFileSync(path, change(Deno.readTextFileSync(path)));
}

function replaced(text: string, what: string | RegExp, by: string): string {
  const result = text.replace(what, () => by);
  if (result === text) throw new Error(`Cannot bundle: no ${what} in the program`);
  return result;
}

/** A script as load.ts runs it. Libraries are asked for by the same name wherever the module lies that does. */
function asFunction(text: string): string {
  const body = text.replaceAll(
    /\b(import|require)\("[./]*\/packages\/(\w+)\.ts"\)/g,
    (_, how, name) =>
      how === "require"
        ? `require("./src/packages/${name}.js")`
        : `(async()=>require("./src/packages/${name}.js"))()`,
  );
  const left = /import\("\.[^)]*\)|import\.meta/.exec(body);
  if (left !== null) throw new Error(`Cannot bundle: ${left[0]} in a script`);
  return `(function(module,require,home){var exports=module.exports;${body}\n})`;
}

/** A thread's name, for stack traces and files. */
export function nameOf(thread: string): string {
  return thread.slice(thread.lastIndexOf("/") + 1);
}

/** The module that runs a thread's script. */
function loader(thread: string): string {
  const name = nameOf(thread);
  const up = "../".repeat(thread.split("/").length - 1);
  return `import source from "./${name}.txt" with { type: "text" };
import compiled from "./${name}.bin" with { type: "bytes" };
import { load } from "${up}startup/load.js";
export const exports = load({ name: "${name}", source, compiled, home: new URL("${up}main.js", import.meta.url).href });
`;
}
