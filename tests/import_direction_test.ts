/**
 * Imports point one way, towards the pure core, and what only one module may do no other does.
 * See docs/architecture.md.
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

/**
 * What each folder of src/ may import, besides itself, `errors.ts` and `text/`: the layers of docs/architecture.md, top to bottom. A
 * folder that is not listed belongs to the nearest one above it that is.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "": ["cli", "config", "doctor", "sandbox", "run", "task", "watch", "system"],
  cli: ["config", "flyte", "flyte/text", "packages", "telemetry", "system"],
  sandbox: [
    "cli",
    "config",
    "run",
    "telemetry",
    "storage",
    "storage/cloud",
    "http",
    "flyte/inspect",
    "flyte/plan",
    "system",
  ],
  run: [
    "cli",
    "config",
    "flyte",
    "flyte/codec",
    "flyte/inspect",
    "flyte/plan",
    "flyte/text",
    "telemetry",
    "transfer",
    "storage",
    "system",
  ],
  watch: ["watch/watchers", "watch/proc", "cli", "flyte", "run", "system"],
  "watch/watchers": ["watch", "watch/proc", "config", "http", "packages", "system"],
  "watch/proc": ["watch"],
  doctor: ["cli", "config", "watch", "watch/watchers", "http", "storage", "storage/backends", "system"],
  task: ["cli", "flyte", "flyte/codec", "watch", "system"],
  telemetry: ["http", "packages", "system"],
  transfer: ["storage", "http", "system"],
  storage: ["storage/backends", "storage/cloud", "config", "packages", "system"],
  "storage/backends": ["storage", "storage/cloud", "config", "http", "packages", "system"],
  "storage/cloud": ["storage", "http", "system"],
  text: [],
  http: ["storage", "system"],
  flyte: [],
  "flyte/codec": ["flyte"],
  "flyte/text": ["flyte", "flyte/codec", "flyte/plan"],
  "flyte/plan": ["flyte", "flyte/text", "storage"],
  "flyte/inspect": ["flyte", "flyte/codec", "flyte/plan", "flyte/text"],
  config: ["system"],
  system: [],
  packages: [],
};

/** Edges between two folders that only these modules may make. */
const NARROW: { from: RegExp; to: RegExp; why: string }[] = [
  {
    from: /^src\/storage\/(?!backends\/)/,
    to:
      /^src\/storage\/backends\/(?!mod\.ts$|[a-z0-9]+\/(settings|credential_file|credential_origin|endpoints|connection_string)\.ts$)/,
    why:
      "only the registry knows a backend; its settings are pure and known to whoever works out permissions",
  },
  {
    from: /^src\/(?!run\/|sandbox\/|(?:app|move_data)\.ts$|watch\/sidecar\.ts$)/,
    to: /^src\/run\//,
    why: "a run is known to those that start it",
  },
  {
    from: /^src\/cli\//,
    to: /^src\/telemetry\/(?!settings\.ts$)/,
    why: "the command line knows the settings of telemetry, and no more",
  },
  { from: /^src\//, to: /^main\.ts$/, why: "nothing imports the entry point" },
];

/** Modules that every other may import. */
const PLAIN = /^src\/(errors\.ts$|text\/)/;

/** Modules without I/O, clock or package: a list, so that a new module is placed on purpose. */
const PURE = [
  /^src\/(flyte|cli|config|watch\/proc)\//,
  PLAIN,
  /^src\/system\/(mod|log)\.ts$/,
  /^src\/storage\/(backend|store|uri|key_order|host_name)\.ts$/,
  /^src\/watch\/watcher\.ts$/,
  /^src\/telemetry\/settings\.ts$/,
  /^src\/packages\/yaml\.ts$/,
];
const isPure = (path: string) => PURE.some((pattern) => pattern.test(path));

/** The entry of {@linkcode LAYERS} that a source belongs to. */
function layerOf(path: string): string {
  let folder = path.replace(/^src\/?/, "").replace(/\/?[^/]+$/, "");
  while (folder !== "" && !Object.hasOwn(LAYERS, folder)) folder = folder.replace(/\/?[^/]+$/, "");
  return folder;
}

/** What is wrong about an import; null where nothing is. */
function fault(from: string, to: string): string | null {
  const narrow = NARROW.find((rule) => rule.from.test(from) && rule.to.test(to));
  if (narrow !== undefined) return `${from} must not import ${to}: ${narrow.why}`;
  if (!from.startsWith("src/") || !to.startsWith("src/") || PLAIN.test(to)) return null;
  const [layer, target] = [layerOf(from), layerOf(to)];
  if (layer === target || LAYERS[layer]!.includes(target)) return null;
  return `${from} must not import ${to}: ${layer || "src"}/ may import ${
    LAYERS[layer]!.join(", ") || "nothing"
  }`;
}

Deno.test("imports point one way: every folder imports those that it may", () => {
  for (const { path, imports } of product) {
    for (const { to } of imports) assert.equal(fault(path, to), null);
  }
});

Deno.test("imports: a folder's list names no folder that it does not need", () => {
  const used = new Set(
    product.flatMap(({ path, imports }) => imports.map(({ to }) => `${layerOf(path)} -> ${layerOf(to)}`)),
  );
  for (const [layer, targets] of Object.entries(LAYERS)) {
    for (const target of targets) {
      assert(used.has(`${layer} -> ${target}`), `no module of ${layer}/ imports ${target}/`);
    }
  }
});

Deno.test("imports: a planted wrong import is found", () => {
  const wrong = [
    ["src/flyte/plan/keys.ts", "src/system/deno.ts"],
    ["src/flyte/codec/idl.ts", "src/flyte/plan/names.ts"],
    ["src/storage/retry.ts", "src/storage/backends/s3/mod.ts"],
    ["src/storage/stores.ts", "src/run/download.ts"],
    ["src/transfer/get.ts", "src/storage/backends/s3/store.ts"],
    ["src/watch/watchers/kube/api.ts", "src/storage/stores.ts"],
    ["src/watch/sigterm_counter.ts", "src/run/mod.ts"],
    ["src/http/client.ts", "src/transfer/session.ts"],
    ["src/cli/mod.ts", "src/run/mod.ts"],
    ["src/run/mod.ts", "src/sandbox/mod.ts"],
    ["src/system/mod.ts", "main.ts"],
    ["src/a_new_folder/x.ts", "src/transfer/get.ts"],
  ];
  for (const [from, to] of wrong) assert.notEqual(fault(from!, to!), null, `${from} -> ${to}`);
});

Deno.test("imports: every folder of src/ that has files is listed or lies below one that is", () => {
  const below = new Set(["cli", "storage/backends", "watch/watchers", "flyte", "watch", "storage"]);
  for (const { path } of sources) {
    const layer = layerOf(path);
    const folder = path.replace(/^src\/?/, "").replace(/\/?[^/]+$/, "");
    assert(folder === layer || below.has(layer), `${folder}/ has no line in LAYERS`);
  }
});

Deno.test("pure modules import only pure modules, the idl its protobuf runtime, the configuration its YAML", () => {
  const packages: Record<string, RegExp> = {
    "src/flyte/codec/idl.ts": /^protobufjs\/minimal$/,
    "src/packages/yaml.ts": /^yaml$/,
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
        `${path} must not import("${to}"): make a module that imports it, as those of src/packages/`,
      );
    }
  }
});

Deno.test("packages: those that few runs need are imported in src/packages/ only, which is loaded when first needed", () => {
  const everywhere = /^(node:|src\/|main\.ts$|protobufjs\/minimal$)/;
  for (const { path, imports } of product) {
    const isPackage = path.startsWith("src/packages/");
    for (const { to } of imports) assert.equal(everywhere.test(to), !isPackage, `${path} imports ${to}`);
  }
});

/** The backend or watcher that a path belongs to: `s3` for `backends/s3/mod.ts` and `backends/s3/sigv4.ts`. */
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
    allowed:
      /^(main|src\/(system\/(?:deno|getdents|pidfd|child|reaper|threads|code_pages)|sandbox\/(?:mod|start_worker|worker)))\.ts$/,
  },
  {
    what: "a clock",
    pattern: /\bDate\.now\(|\bperformance\.now\(|\bnew Date\(\)/,
    allowed: /^src\/system\/deno\.ts$/,
  },
  {
    what: "a timer",
    pattern: /(?<![\w.])set(Timeout|Interval)\(|\bAbortSignal\.timeout\(/,
    allowed: /^src\/system\/deno\.ts$/,
  },
  {
    what: "a random source",
    pattern: /\bMath\.random\b|\bgetRandomValues\b/,
    allowed: /^src\/system\/deno\.ts$/,
  },
  {
    what: "the environment",
    pattern: /\bprocess\b[^\n]*\.env\b|\bDeno\.env\b/,
    allowed: /^(main|src\/sandbox\/worker)\.ts$/,
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
  assert.deepEqual(importers.map(({ path }) => path), ["src/flyte/codec/idl.ts"]);
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
