/**
 * The program as the executable embeds it: main.ts as a module; each thread's code as one script, in a file with what V8 has compiled of
 * it; each library of src/packages/ as a module that is read when it is needed.
 * @module
 */
import { UNBUILT } from "../src/cli/version.ts";
import { pack } from "./startup/link.ts";

/** Runs Deno with these arguments in a directory. */
export type RunDeno = (args: string[], cwd: string) => Promise<void>;

/** The main thread's code and the Worker's, by the path of their module. */
const MAIN = "src/app";
const WORKER = "src/sandbox/worker";
export const THREADS = [MAIN, WORKER] as const;

/** What V8 has compiled, by the path of the thread's module. */
export type Compiled = ReadonlyMap<string, Uint8Array>;

/** How a thread begins: a module of startup/. */
export type Startup = "load" | "train";

/** Stand for a thread's script in a bundle of main.ts, and for the Worker's module in the main thread's script. */
const APP = 'import("./src/app.ts")';
const WORKER_URL = /new URL\("\.\/worker\.ts",\s*[\w$]+\.url\)/;

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
 * Bundles the program's parts into a directory, for {@linkcode assemble} to put together.
 *
 * @throws Error where the program is not as it is expected here
 */
export async function bundle(directory: string, { root, deno, build }: Sources): Promise<void> {
  const run = (...args: string[]) => deno(["bundle", "--platform", "deno", "--minify", ...args], root);
  const script = (from: string, to: string, ...args: string[]) =>
    run("--format", "cjs", ...args, "--output", `${directory}/${to}.txt`, `${from}.ts`);
  const libraries = [...Deno.readDirSync(`${root}/src/packages`)].map(({ name }) => name).sort();
  const externals = libraries.flatMap((name) => ["--external", `*/packages/${name}`]);
  await run("--external", "./src/app.ts", "--output", `${directory}/main.txt`, "main.ts");
  for (const thread of THREADS) {
    await script(thread, thread, ...externals);
    edit(`${directory}/${thread}.txt`, (text) => asFunction(text.replaceAll(UNBUILT, build)));
  }
  edit(
    `${directory}/${MAIN}.txt`,
    (text) => replaced(text, WORKER_URL, `new URL("./${WORKER}.js",home)`),
  );
  await run("--outdir", `${directory}/src/packages`, ...libraries.map((name) => `src/packages/${name}`));
  for (const name of libraries) {
    edit(`${directory}/src/packages/${name.replace(/ts$/, "js")}`, (text) => REQUIRE_BANNER + text);
  }
  for (const how of ["load", "train"]) await script(`scripts/startup/${how}`, `startup/${how}`);
}

/** Files that main.js does not import. */
export const INCLUDED = [`${MAIN}.bin`, `${WORKER}.js`, "src/packages"];

/** Puts the program together: `main.js` is where it begins, and {@linkcode INCLUDED} goes with it. */
export function assemble(directory: string, startup: Startup, compiled: Compiled): void {
  const read = (name: string) => Deno.readTextFileSync(`${directory}/${name}.txt`);
  const write = (name: string, text: string) => Deno.writeTextFileSync(`${directory}/${name}.js`, text);
  for (const thread of THREADS) {
    const bytes = pack(read(thread), compiled.get(thread) ?? new Uint8Array(0));
    Deno.writeFileSync(`${directory}/${thread}.bin`, bytes);
  }
  const loader = `((module,require)=>{${
    read(`startup/${startup}`)
  };return module.exports.load})({exports:{}},(name)=>globalThis.process.getBuiltinModule(name))`;
  const packed = `Deno.readFileSync(new URL("./${MAIN}.bin",import.meta.url))`;
  write("main", replaced(read("main"), APP, `${loader}("${nameOf(MAIN)}",${packed},import.meta.url)`));
  // A Worker may not read what is embedded, but import it.
  const home = `new URL("${"../".repeat(WORKER.split("/").length - 1)}main.js",import.meta.url).href`;
  write(
    WORKER,
    `import packed from "./${nameOf(WORKER)}.bin" with { type: "bytes" };\n` +
      `${loader}("${nameOf(WORKER)}",packed,${home});\n`,
  );
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
