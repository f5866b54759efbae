/**
 * Imports point one way, towards the pure core, and what only one module may do no other does.
 * See the architecture section of README.md.
 */
import assert from "assert";

const ROOT = new URL("../", import.meta.url).pathname;

interface Source {
  /** Relative to the project. */
  path: string;
  /** Without comments. */
  code: string;
  imports: { to: string; typeOnly: boolean }[];
}

/** Every file below a directory, without what is built or fetched. */
function* files(directory: string): Generator<string> {
  const skipped = new Set([".git", ".cache", "dist", "node_modules", "__pycache__"]);
  for (const entry of Deno.readDirSync(`${ROOT}${directory}`)) {
    const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory && !skipped.has(entry.name)) yield* files(path);
    else if (entry.isFile) yield path;
  }
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[\s;{}(,])\/\/.*$/gm, "$1");
}

function read(path: string): Source {
  const code = withoutComments(Deno.readTextFileSync(`${ROOT}${path}`));
  const statements = /^\s*(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?"([^"]+)"/gm;
  const dynamic = /\bimport\(\s*"([^"]+)"/g;
  const imports = [
    ...code.matchAll(statements).map(([, type, to]) => ({
      to: resolve(path, to!),
      typeOnly: type !== undefined,
    })),
    ...code.matchAll(dynamic).map(([, to]) => ({ to: resolve(path, to!), typeOnly: true })),
  ];
  return { path, code, imports };
}

/** A module's path relative to the project, or a package's bare name. */
function resolve(from: string, to: string): string {
  return to.startsWith(".") ? new URL(to, `file:///${from}`).pathname.slice(1) : to;
}

const sources = [...files("src")].filter((path) => path.endsWith(".ts")).map(read);
const product = [...sources, read("main.ts")];

/** Modules without I/O, clock or package: a list, so that a new module is placed on purpose. */
const PURE = [
  /^src\/flyte\//,
  /^src\/cli(\.ts|\/)/,
  /^src\/(config|config_files|config_transfer|durations|environment|errors|log|system|version|yaml)\.ts$/,
  /^src\/storage\/(backend|store|uri|key_order)\.ts$/,
  /^src\/watch\/(watcher|proc)(\.ts|\/)/,
];
const isPure = (path: string) => PURE.some((pattern) => pattern.test(path));

/** What each layer must not import, as patterns over the importing and the imported path. */
const FORBIDDEN: { from: RegExp; to: RegExp; why: string }[] = [
  {
    from: /^src\/storage\/(?!backends\/)/,
    to: /^src\/storage\/backends\/(?!mod\.ts)/,
    why: "only the registry knows a backend",
  },
  {
    from: /^src\/watch\/(?!watchers\/)/,
    to: /^src\/watch\/watchers\//,
    why: "a watcher is known to the registry and the composition root",
  },
  {
    from: /^src\/(download|upload)\.ts$/,
    to: /^src\/(storage\/backends|watch\/watchers)\//,
    why: "flows take stores and watchers as arguments",
  },
  {
    from: /^src\/storage\//,
    to: /^src\/(download|upload|sidecar|run|sandbox|watch\/.*)$/,
    why: "storage serves flows",
  },
  {
    from: /^src\/watch\//,
    to: /^src\/(storage\/(?!http\/).*|download|upload|sidecar|run|sandbox)\.ts$/,
    why: "watchers only watch, and ask over HTTP",
  },
  { from: /^src\/(?!sandbox\.ts|worker\.ts)/, to: /^main\.ts$/, why: "nothing imports the entry point" },
];

Deno.test("pure modules import only pure modules, the idl its protobuf runtime, the configuration its YAML", () => {
  const packages: Record<string, RegExp> = {
    "src/flyte/idl.ts": /^protobufjs\/minimal$/,
    "src/yaml.ts": /^yaml$/,
  };
  for (const { path, imports } of sources.filter(({ path }) => isPure(path))) {
    for (const { to } of imports) {
      assert(isPure(to) || packages[path]?.test(to), `${path} is pure and must not import ${to}`);
    }
  }
});

Deno.test("packages are imported statically: a bundled CommonJS package has no named exports otherwise", () => {
  for (const { path, code } of product) {
    for (const [, to] of code.matchAll(/\bimport\(\s*"([^"]+)"/g)) {
      assert(
        to!.startsWith("."),
        `${path} must not import("${to}"): make a module that imports it, as src/yaml.ts`,
      );
    }
  }
});

for (const { from, to, why } of FORBIDDEN) {
  Deno.test(`imports: ${why}`, () => {
    for (const { path, imports } of product) {
      if (!from.test(path)) continue;
      for (const target of imports) {
        assert(!to.test(target.to), `${path} must not import ${target.to}: ${why}`);
      }
    }
  });
}

/** The backend or watcher that a path belongs to: `s3` for `backends/s3.ts` and `backends/s3/sign.ts`. */
function member(path: string): string | undefined {
  return /^src\/(?:storage\/backends|watch\/watchers)\/([^/.]+)/.exec(path)?.[1];
}

Deno.test("no backend and no watcher imports another", () => {
  for (const { path, imports } of sources) {
    const own = member(path);
    if (own === undefined || own === "mod") continue;
    for (const { to } of imports) {
      const other = member(to);
      assert(other === undefined || other === own, `${path} must not import ${to}: one file each`);
    }
  }
});

Deno.test("modules import each other without a cycle", () => {
  const targets = new Map(
    product.map(({ path, imports }) => [path, imports.filter((one) => !one.typeOnly).map((one) => one.to)]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    assert(!trail.includes(path), `import cycle: ${[...trail, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const to of targets.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
});

/** Things that only some modules may say, each as a pattern over code without comments. */
const RESERVED: { what: string; pattern: RegExp; allowed: RegExp }[] = [
  {
    what: "Deno's own interface",
    pattern: /(?<!["'`\w.])Deno\./,
    allowed: /^(main|src\/(sys|sys_process|sandbox|worker))\.ts$/,
  },
  {
    what: "a clock",
    pattern: /\bDate\.now\(|\bperformance\.now\(|\bnew Date\(\)/,
    allowed: /^src\/sys\.ts$/,
  },
  {
    what: "a timer",
    pattern: /(?<![\w.])set(Timeout|Interval)\(|\bAbortSignal\.timeout\(/,
    allowed: /^src\/sys\.ts$/,
  },
  { what: "a random source", pattern: /\bMath\.random\b|\bgetRandomValues\b/, allowed: /^src\/sys\.ts$/ },
  {
    what: "the environment",
    pattern: /\bprocess\b[^\n]*\.env\b|\bDeno\.env\b/,
    allowed: /^(main|src\/worker)\.ts$/,
  },
  { what: "the exit status", pattern: /\bDeno\.exit\b|\bprocess\.exit/, allowed: /^main\.ts$/ },
];

for (const { what, pattern, allowed } of RESERVED) {
  Deno.test(`only ${String(allowed).slice(2, -2).replaceAll("\\", "")} says ${what}`, () => {
    for (const { path, code } of product.filter(({ path }) => !allowed.test(path))) {
      assert(!pattern.test(code), `${path} must not use ${what}: ${pattern.exec(code)?.[0]}`);
    }
  });
}

Deno.test("only idl.ts knows protobufjs", () => {
  const importers = product.filter(({ imports }) => imports.some(({ to }) => to.startsWith("protobufjs")));
  assert.deepEqual(importers.map(({ path }) => path), ["src/flyte/idl.ts"]);
});

Deno.test("packages come by bare name through the import map", () => {
  for (const { path, imports } of product) {
    for (const { to } of imports) assert(!/^(npm|jsr|https?):/.test(to), `${path} imports ${to}`);
  }
});

Deno.test("no file names the host of a package registry", () => {
  // Put together here, so that this file does not name them either.
  const names = [
    "registry npmjs org",
    "pypi org",
    "pythonhosted org",
    "proxy golang org",
    "sum golang org",
    "jsr io",
  ];
  const hosts = names.map((name) => name.replaceAll(" ", "."));
  for (const path of files("")) {
    const bytes = Deno.readFileSync(`${ROOT}${path}`);
    if (bytes.length > 2 ** 20 || bytes.includes(0)) continue;
    const text = new TextDecoder().decode(bytes);
    for (const host of hosts) assert(!text.includes(host), `${path} names ${host}`);
  }
});
