// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Builds the executable: bundles main.ts and the run's Worker without node_modules, then embeds the bundle in Deno's runtime
 * together with the permissions it may ever have.
 *
 * `deno task compile [--target TRIPLE] [--output FILE] [--no-training]`; DENORT_BIN names a runtime to use as it is. Without training
 * nothing is compiled beforehand, as for another architecture: it has to run what it builds (scripts/code_cache.ts).
 * @module
 */
import { parseArgs } from "node:util";
import { assemble, bundle, type Compiled, INCLUDED } from "./bundle.ts";
import { train } from "./code_cache.ts";
import { buildInfo } from "./build_info.ts";
import { RUNTIMES } from "./denort.ts";
import { deno, embed, type Target } from "./embed.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/**
 * Everything, for an instant: the runtime opens files below /proc and /sys, where the memory limit and the main container are to be
 * seen, only for a process that has every right. The program gives up what it never uses before it touches data, and each run narrows
 * itself to its directory and hosts (src/sandbox/permissions.ts).
 */
const PERMISSIONS = ["--allow-all", "--no-prompt"];

/**
 * For a container of 128 MiB: no collection of a heap that small runs never fill (they began one, and ended before it did), a young
 * generation that holds what a few dozen files leave behind, an old one that is collected before it has grown by a tenth, no pages
 * kept in stock, and no second copy of V8's own functions near each heap. One optimizing compiler, the quick one, and for what runs
 * thousands of times only, so that a small run never loads it; the slow one adds memory and no speed, and the one before both costs
 * every start more than it brings where there is the quick one. No collection because nothing happens, which took a waiting
 * sidecar 40 ms and saved nothing either. bench/NOTES.md has the figures. These are soft bounds: a hard limit
 * (--max-old-space-size) saves no more and would end a run on large documents.
 */
const V8_FLAGS = [
  "--initial-heap-size=24",
  "--max-semi-space-size=4",
  "--memory-saver-mode",
  "--no-memory-reducer",
  "--heap-growing-percent=10",
  "--no-memory-pool",
  "--no-short-builtin-calls",
  "--no-sparkplug",
  "--invocation-count-for-maglev=2000",
  "--invocation-count-for-maglev-osr=2000",
  "--no-opt",
];

/** For what is compiled, and how. */
interface Compiler extends Target {
  /** Whether to run what is built. */
  trains: boolean;
}

/** Compiles a bundle. */
async function compile(directory: string, output: string, compiler: Compiler): Promise<void> {
  clearTimes(directory);
  const included = INCLUDED.flatMap((path) => ["--include", path]);
  await embed(
    [
      ...["--unstable-worker-options", "--unstable-raw-imports", ...PERMISSIONS],
      `--v8-flags=${V8_FLAGS.join(",")}`,
      ...[...included, "--output", output, "main.js"],
    ],
    directory,
    compiler,
  );
}

/** Gives every file below a directory one time: the compiler writes it into the executable. */
function clearTimes(directory: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) clearTimes(path);
    Deno.utimeSync(path, 0, 0);
  }
}

/** The program, with what V8 makes of it where this machine can run the target. */
async function build(directory: string, output: string, compiler: Compiler): Promise<void> {
  const run = async (args: string[], cwd: string) => {
    const { success, stderr } = await deno(args, { cwd });
    if (!success) throw new Error(`Cannot bundle: ${stderr}`);
  };
  await bundle(directory, { root: ROOT, deno: run, build: await buildInfo(ROOT) });
  let compiled: Compiled = new Map();
  if (compiler.trains) {
    assemble(directory, "train", compiled);
    await compile(directory, `${directory}/trainee`, compiler);
    compiled = await train(`${directory}/trainee`);
    Deno.removeSync(`${directory}/trainee`);
  }
  assemble(directory, "load", compiled);
  await compile(directory, output, compiler);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      target: { type: "string", default: Deno.build.target },
      output: { type: "string", default: `${ROOT}dist/copilot` },
      "no-training": { type: "boolean", default: false },
    },
  });
  if (!(values.target in RUNTIMES)) {
    throw new Error(
      `Cannot compile for "${values.target}": expected one of ${Object.keys(RUNTIMES).join(", ")}`,
    );
  }
  const startMs = performance.now();
  const directory = await Deno.makeTempDir({ prefix: "copilot-bundle-" });
  try {
    const output = values.output.startsWith("/") ? values.output : `${Deno.cwd()}/${values.output}`;
    Deno.mkdirSync(new URL(".", `file://${output}`).pathname, { recursive: true });
    const trains = values.target === Deno.build.target && !values["no-training"];
    await build(directory, output, { target: values.target, env: {}, trains });
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(
      `${output}: ${(Deno.statSync(output).size / 1e6).toFixed(1)} MB, ${values.target}, ${seconds} s${
        trains ? "" : ", nothing compiled beforehand"
      }`,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

try {
  await main();
} catch (thrown) {
  console.error((thrown as Error).message);
  Deno.exit(1);
}
