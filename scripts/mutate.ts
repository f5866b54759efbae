// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * How strong the tests are: changes one operator at a time and asks whether the tests that mirror the file notice.
 *
 * `deno task mutate [--files REGEXP] [--sample N] [--seed S] [--least PERCENT]`
 *
 * A mutant that no test notices and that still compiles has survived: a hole in the tests, or a change that means nothing. The latter
 * are listed in scripts/mutants_without_meaning.txt. Works on a copy of the checkout, never on the checkout itself.
 * @module
 */
import { parseArgs } from "node:util";
import ts from "typescript";

const ROOT = new URL("..", import.meta.url).pathname;
/** A mutant that hangs has been noticed. */
const TEST_LIMIT_MS = 40_000;

/** Operators and what takes their place. */
const OPERATORS: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "&&": "||",
  "||": "&&",
  "??": "&&",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "+=": "-=",
  "-=": "+=",
  "++": "--",
  "--": "++",
};

/** One change to one file: `[start, end)` in UTF-16 units becomes `text`. */
export interface Mutant {
  path: string;
  line: number;
  start: number;
  end: number;
  text: string;
  /** What it is, as `a < b -> a <= b`. */
  what: string;
}

/** Every mutant of a source. */
export function mutantsOf(path: string, source: string): Mutant[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const found: Mutant[] = [];
  const add = (node: ts.Node, text: string) => {
    const start = node.getStart(file);
    const line = file.getLineAndCharacterOfPosition(start).line + 1;
    const what = `${source.slice(start, node.end).slice(0, 40)} -> ${text.slice(0, 40)}`;
    found.push({ path, line, start, end: node.end, text, what: what.replace(/\s+/g, " ") });
  };
  const visit = (node: ts.Node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (ts.isBinaryExpression(node)) {
      const { operatorToken } = node;
      const other = OPERATORS[operatorToken.getText(file)];
      if (other !== undefined && !isText(node)) add(operatorToken, other);
    }
    if (ts.isIfStatement(node)) add(node.expression, "false");
    if (ts.isConditionalExpression(node)) add(node.condition, "true");
    if (ts.isAwaitExpression(node) && ts.isExpressionStatement(node.parent)) {
      add(node, `void ${node.expression.getText(file)}`);
    }
    if (ts.isExpressionStatement(node) && ts.isCallExpression(node.expression)) add(node, ";");
    if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, "false");
    if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, "true");
    if (ts.isNumericLiteral(node) && !isName(node)) add(node, `${Number(node.text.replaceAll("_", "")) + 1}`);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** A sum of texts is no arithmetic. */
function isText({ left, right, operatorToken }: ts.BinaryExpression): boolean {
  if (
    operatorToken.kind !== ts.SyntaxKind.PlusToken && operatorToken.kind !== ts.SyntaxKind.PlusEqualsToken
  ) return false;
  const text = (node: ts.Expression) => ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
  return text(left) || text(right) || (ts.isBinaryExpression(left) && isText(left));
}

function isName(node: ts.NumericLiteral): boolean {
  return ts.isPropertyAssignment(node.parent) && node.parent.name === node;
}

/**
 * The tests that mirror a source: the one named after it first, then those of its folder, else of the nearest folder above.
 *
 * @param tests paths of every test, relative to the project
 */
export function testsFor(path: string, tests: readonly string[]): string[] {
  const mirrored = path.replace(/^src\//, "tests/").replace(/\.ts$/, "_test.ts");
  for (
    let folder = mirrored.replace(/\/[^/]+$/, "");
    folder.includes("/");
    folder = folder.replace(/\/[^/]+$/, "")
  ) {
    const near = tests.filter((test) => test.startsWith(`${folder}/`));
    if (near.length > 0) {
      return tests.includes(mirrored) ? [mirrored, ...near.filter((one) => one !== mirrored)] : near;
    }
  }
  return [];
}

/** A number generator with a seed: mulberry32. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

function sampleOf<T>(items: readonly T[], count: number, seed: number): T[] {
  const next = random(seed);
  const left = [...items];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0) {
    taken.push(...left.splice(Math.floor(next() * left.length), 1));
  }
  return taken;
}

async function succeeds(args: string[], cwd: string): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), { args, cwd, stdout: "null", stderr: "null" }).spawn();
  // `deno test` handles SIGTERM, and then waits for a test that waits for ever.
  const limit = setTimeout(() => child.kill("SIGKILL"), TEST_LIMIT_MS);
  return (await child.status.finally(() => clearTimeout(limit))).success;
}

async function listed(cwd: string, pattern: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("git", { args: ["ls-files", pattern], cwd }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((path) => path !== "");
}

/** Whether some test, or the type checker, notices a mutant. */
async function isNoticed(mutant: Mutant, copy: string, tests: readonly string[]): Promise<boolean> {
  const file = `${copy}/${mutant.path}`;
  const source = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, source.slice(0, mutant.start) + mutant.text + source.slice(mutant.end));
  try {
    const run = ["test", "-A", "--no-check", "--fail-fast", "--quiet"];
    if (!await succeeds([...run, ...testsFor(mutant.path, tests)], copy)) return true;
    return !await succeeds(["check", "--quiet", mutant.path], copy);
  } finally {
    Deno.writeTextFileSync(file, source);
  }
}

function withoutMeaning(): Set<string> {
  const lines = Deno.readTextFileSync(`${ROOT}scripts/mutants_without_meaning.txt`).split("\n");
  return new Set(
    lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split("  #")[0]!.trim()),
  );
}

/** What a mutant is listed by: its line's number changes too often. */
function nameOf({ path, what }: Mutant): string {
  return `${path}: ${what}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      files: { type: "string", default: "^src/" },
      sample: { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      least: { type: "string", default: "0" },
    },
  });
  const pattern = new RegExp(values.files);
  const paths = (await listed(ROOT, "src/*.ts")).filter((path) => pattern.test(path));
  const tests = (await listed(ROOT, "tests/*_test.ts")).filter((path) =>
    !/^tests\/(e2e|pods|fuzz|scripts)\//.test(path)
  );
  const known = withoutMeaning();
  const all = paths.flatMap((path) => mutantsOf(path, Deno.readTextFileSync(`${ROOT}${path}`)))
    .filter((mutant) => !known.has(nameOf(mutant)));
  const count = Number(values.sample);
  const chosen = count === 0 ? all : sampleOf(all, count, Number(values.seed));
  const copy = await Deno.makeTempDir({ prefix: "copilot-mutants-" });
  let noticed = 0;
  try {
    await new Deno.Command("git", { args: ["checkout-index", "-a", `--prefix=${copy}/`], cwd: ROOT })
      .output();
    for (const path of paths) Deno.copyFileSync(`${ROOT}${path}`, `${copy}/${path}`);
    for (const mutant of chosen) {
      const found = await isNoticed(mutant, copy, tests);
      if (found) noticed++;
      console.log(`${found ? "noticed " : "SURVIVED"} ${mutant.path}:${mutant.line}: ${mutant.what}`);
    }
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
  const percent = chosen.length === 0 ? 100 : 100 * noticed / chosen.length;
  console.log(`${noticed} of ${chosen.length} mutants noticed (${percent.toFixed(0)} %)`);
  return percent >= Number(values.least) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
