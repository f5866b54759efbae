import assert from "assert";
import type { Action, DownloadOptions } from "../../../src/flyte/plan/plan_download.ts";
import { planDownload } from "../../../src/flyte/plan/plan_download.ts";
import type { Literal, LiteralMap } from "../../../src/flyte/types.ts";
import {
  blob,
  dataset,
  FILE,
  INTEGER,
  integer,
  list,
  literalMap,
  map,
  none,
  offloaded,
  pick,
  scalar,
  schema,
  seeded,
  text,
  tree,
  union,
} from "../../support/plans.ts";
import { bytesOf } from "../../../src/flyte/text/text_bytes.ts";

const DIRECT: DownloadOptions = {
  root: "/in",
  layout: "DIRECT",
  mode: "DOWNLOAD_EAGER",
  reserved: ["inputs.pb"],
};
const NAMED: DownloadOptions = { ...DIRECT, layout: "NAMED_DIR" };
const REMOTE: DownloadOptions = { ...DIRECT, mode: "DO_NOT_DOWNLOAD" };

const decoder = new TextDecoder();

/** An action in a line. */
function line(action: Action): string {
  switch (action.kind) {
    case "directory":
      return `${action.path}/`;
    case "write":
      return `${action.path} = ${decoder.decode(bytesOf((write) => action.content(write)))}`;
    case "object":
      return `${action.path} < ${action.uri}`;
    case "prefix":
      return `${action.path}/ < ${action.uri}`;
  }
}

function lines(map: LiteralMap, options: DownloadOptions): string[] {
  return [...planDownload(map, options).actions].map(line);
}

const struct = scalar({
  case: "generic",
  value: { fields: new Map([["a", { kind: { case: "numberValue", value: 1 } }]]) },
});

Deno.test("every literal has its place below the root, directories before what is in them", async (t) => {
  const cases: [name: string, literals: Record<string, Literal>, actions: string[]][] = [
    ["nothing", {}, []],
    ["a simple value", { n: integer(7) }, ["/in/n = 7"]],
    ["none", { n: none() }, ["/in/n = null"]],
    ["a Struct", { s: struct }, ['/in/s = {"a":1}']],
    ["a blob", { b: blob("s3://b/k%20x") }, ["/in/b < s3://b/k%20x"]],
    ["a blob without metadata", { b: scalar({ case: "blob", value: { uri: "s3://b/k" } }) }, [
      "/in/b < s3://b/k",
    ]],
    ["a multipart blob", { d: tree("s3://b/d") }, ["/in/d/ < s3://b/d"]],
    ["a schema", { s: schema("s3://b/s/") }, ["/in/s/ < s3://b/s/"]],
    ["a StructuredDataset", { df: dataset("s3://b/df") }, ["/in/df/ < s3://b/df"]],
    ["an empty list", { l: list() }, ["/in/l/"]],
    ["an empty map", { m: map({}) }, ["/in/m/"]],
    ["a list", { l: list(integer(1), blob("u"), tree("v")) }, [
      "/in/l/",
      "/in/l/0 = 1",
      "/in/l/1 < u",
      "/in/l/2/ < v",
    ]],
    ["a map", { m: map({ "b c": integer(2), "x.y": text("") }) }, [
      "/in/m/",
      "/in/m/b c = 2",
      "/in/m/x.y = ",
    ]],
    ["nesting", { n: list(map({ k: list(integer(1)) }), list()) }, [
      "/in/n/",
      "/in/n/0/",
      "/in/n/0/k/",
      "/in/n/0/k/0 = 1",
      "/in/n/1/",
    ]],
    ["unions", {
      i: union(integer(5), INTEGER),
      u: union(union(list(integer(1)), INTEGER), INTEGER),
      f: union(blob("s3://b/k"), FILE),
    }, ["/in/i = 5", "/in/u/", "/in/u/0 = 1", "/in/f < s3://b/k"]],
    ["names that look dangerous but are not", { "..x": integer(1), "*": integer(2), "~": integer(3) }, [
      "/in/..x = 1",
      "/in/* = 2",
      "/in/~ = 3",
    ]],
  ];
  for (const [name, literals, actions] of cases) {
    await t.step(name, () => assert.deepEqual(lines(literalMap(literals), DIRECT), actions));
  }
});

Deno.test("an action says which input it belongs to and where in it", () => {
  const { actions } = planDownload(
    literalMap({ "my files": list(map({ x: blob("u"), "a.b": integer(1) })) }),
    DIRECT,
  );
  assert.deepEqual([...actions].map(({ input, variable }) => [input, variable]), [
    ["my files", '"my files"'],
    ["my files", '"my files"[0]'],
    ["my files", '"my files"[0].x'],
    ["my files", '"my files"[0]["a.b"]'],
  ]);
});

Deno.test("simple values are executable as in the original, Structs are not", () => {
  const { actions } = planDownload(
    literalMap({ n: integer(1), s: struct, u: union(struct, INTEGER) }),
    DIRECT,
  );
  const modes = [...actions]
    .map((action) => action.kind === "write" ? action.mode : null);
  assert.deepEqual(modes, [0o777, 0o666, 0o666]);
});

Deno.test("the local message has paths for URIs and keeps everything else", () => {
  const hashed: Literal = {
    ...blob("s3://b/k", { format: "csv", dimensionality: 0 }),
    hash: "cafe",
    metadata: new Map([["cached", "yes"]]),
    unknown: [Uint8Array.of(0xf8, 1)],
  };
  const literals = {
    f: hashed,
    d: tree("s3://b/d"),
    s: schema("s3://b/s"),
    df: dataset("s3://b/df"),
    l: { ...list(integer(1), hashed), hash: "outer" },
    m: map({ k: union(blob("s3://b/u"), FILE), n: integer(2) }),
  };
  const input = { ...literalMap(literals), unknown: [Uint8Array.of(9)] };
  const before = structuredClone(input);
  const local = (literal: Literal, uri: string): Literal => {
    const copy = structuredClone(literal);
    const value = copy.value?.case === "scalar" ? copy.value.value.value : undefined;
    (value?.value as { uri: string }).uri = uri;
    return copy;
  };
  assert.deepEqual(planDownload(input, DIRECT).local, {
    literals: new Map(Object.entries({
      f: local(hashed, "/in/f"),
      d: local(literals.d, "/in/d"),
      s: local(literals.s, "/in/s"),
      df: local(literals.df, "/in/df"),
      l: { ...list(integer(1), local(hashed, "/in/l/1")), hash: "outer" },
      m: map({ k: union(blob("/in/m/k"), FILE), n: integer(2) }),
    })),
    unknown: [Uint8Array.of(9)],
  });
  assert.deepEqual(input, before, "the input is not changed");
});

Deno.test("NAMED_DIR: single blobs keep their names", async (t) => {
  const cases: [name: string, literals: Record<string, Literal>, actions: string[]][] = [
    ["a variable", { one: blob("s3://b/a/x.gz") }, ["/in/one/", "/in/one/x.gz < s3://b/a/x.gz"]],
    ["nothing is decoded", { v: blob("s3://b/b%20c") }, ["/in/v/", "/in/v/b%20c < s3://b/b%20c"]],
    ["http without its query", { v: blob("https://h/d/x.csv?s=1/2") }, [
      "/in/v/",
      "/in/v/x.csv < https://h/d/x.csv?s=1/2",
    ]],
    ["a map", { m: map({ k: blob("s3://b/r.txt") }) }, [
      "/in/m/",
      "/in/m/k/",
      "/in/m/k/r.txt < s3://b/r.txt",
    ]],
    ["a union keeps the plain name", { o: union(blob("s3://b/r.txt"), FILE) }, ["/in/o < s3://b/r.txt"]],
    ["multipart blobs and values are as ever", { t: tree("s3://b/c"), n: integer(1) }, [
      "/in/t/ < s3://b/c",
      "/in/n = 1",
    ]],
    ["a list", { l: list(blob("a/r"), blob("b/r"), blob("c/r"), blob("c/s"), tree("c"), integer(1)) }, [
      "/in/l/",
      "/in/l/r < a/r",
      "/in/l/1_r < b/r",
      "/in/l/2_r < c/r",
      "/in/l/s < c/s",
      "/in/l/4/ < c",
      "/in/l/5 = 1",
    ]],
    ["a collision's name is taken", { l: list(blob("2_x"), blob("x"), blob("y/x")) }, [
      "/in/l/",
      "/in/l/2_x < 2_x",
      "/in/l/x < x",
      "/in/l/2_2_x < y/x",
    ]],
    ["a later blob has a collision's name", { l: list(blob("x"), blob("y/x"), blob("1_x")) }, [
      "/in/l/",
      "/in/l/x < x",
      "/in/l/1_x < y/x",
      "/in/l/2_1_x < 1_x",
    ]],
    [
      "a blob has an index for a name",
      { l: list(blob("1"), integer(5), union(blob("u"), FILE), blob("2")) },
      [
        "/in/l/",
        "/in/l/0_1 < 1",
        "/in/l/1 = 5",
        "/in/l/2 < u",
        "/in/l/3_2 < 2",
      ],
    ],
    ["a list in a list", { l: list(list(blob("x"), blob("x"))) }, [
      "/in/l/",
      "/in/l/0/",
      "/in/l/0/x < x",
      "/in/l/0/1_x < x",
    ]],
  ];
  for (const [name, literals, actions] of cases) {
    await t.step(name, () => assert.deepEqual(lines(literalMap(literals), NAMED), actions));
  }
});

Deno.test("NAMED_DIR: the local message names the files", () => {
  const { local } = planDownload(
    literalMap({ l: list(blob("s3://b/x"), blob("s3://c/x")), v: blob("s3://b/y") }),
    NAMED,
  );
  assert.deepEqual(local, literalMap({ l: list(blob("/in/l/x"), blob("/in/l/1_x")), v: blob("/in/v/y") }));
});

Deno.test("DO_NOT_DOWNLOAD: URIs stay, values are written, nothing is made for blobs", () => {
  const input = literalMap({
    f: blob("s3://b/.."),
    d: tree("s3://b/d"),
    l: list(blob("s3://b/k")),
    n: integer(1),
  });
  for (const options of [REMOTE, { ...REMOTE, layout: "NAMED_DIR" as const }]) {
    const plan = planDownload(input, options);
    assert.deepEqual(plan.local, input);
    assert.deepEqual([...plan.actions].map(line), ["/in/l/", "/in/n = 1"]);
  }
});

Deno.test("DOWNLOAD_STREAM has the same plan as DOWNLOAD_EAGER", () => {
  const input = literalMap({ f: blob("s3://b/k"), n: integer(1) });
  assert.deepEqual(lines(input, { ...DIRECT, mode: "DOWNLOAD_STREAM" }), lines(input, DIRECT));
});

Deno.test("the root may end in slashes or be the root of all", () => {
  assert.deepEqual(lines(literalMap({ n: integer(1) }), { ...DIRECT, root: "/in//" }), ["/in/n = 1"]);
  assert.deepEqual(lines(literalMap({ n: integer(1) }), { ...DIRECT, root: "/" }), ["/n = 1"]);
});

Deno.test("what cannot be planned is an error that names the variable", async (t) => {
  const long = "x".repeat(256);
  let deep = integer(1);
  for (let depth = 0; depth < 600; depth++) deep = union(deep, INTEGER);
  let wide: Literal = integer(1);
  for (let depth = 0; depth < 20; depth++) wide = map({ ["y".repeat(250)]: wide });
  const cases: [name: string, literals: Record<string, Literal>, code: string, message: RegExp][] = [
    ["variable ..", { "..": integer(1) }, "path", /"\.\.".*"\.\." component/],
    ["variable with ..", { "../x": integer(1) }, "path", /"\.\.\/x".*"\.\." component/],
    ["absolute variable", { "/etc/x": integer(1) }, "path", /"\/etc\/x".*slash/],
    ["empty variable", { "": integer(1) }, "path", /variable "": .*empty/],
    ["long variable", { [long]: integer(1) }, "path", /xxx.*255 bytes/],
    [
      "map key with ..",
      { m: map({ "../../e": integer(1) }) },
      "path",
      /m\["\.\.\/\.\.\/e"\].*"\.\." component/,
    ],
    ["map key with NUL", { m: map({ "a\0": integer(1) }) }, "path", /m\["a\\u0000"\].*NUL/],
    ["empty map key", { l: list(map({ "": integer(1) })) }, "path", /l\[0\]\[""\].*empty/],
    ["too long a path", { v: wide }, "path", /v\.yyy.*4095 bytes/],
    ["reserved name", { "inputs.pb": integer(1) }, "input", /"inputs\.pb".*kept/],
    ["no value", { odd: { hash: "", metadata: new Map() } }, "input", /variable odd:/],
    ["no scalar", { odd: { ...integer(1), value: { case: "scalar", value: {} } } }, "input", /variable odd:/],
    ["empty union", { odd: scalar({ case: "union", value: {} }) }, "input", /variable odd:.*union/],
    ["nested", { l: list(map({ k: scalar({ case: "union", value: {} }) })) }, "input", /variable l\[0\]\.k:/],
    ["unresolved", { o: offloaded("s3://b/o") }, "input", /variable o:.*"s3:\/\/b\/o".*not resolved/],
    ["empty URI", { f: blob("") }, "input", /variable f:.*URI is empty/],
    [
      "a URI of 5 MiB",
      { f: blob(`s3://b/${"k".repeat(5 * 1024 * 1024)}`) },
      "input",
      /variable f: its URI has 5242887 characters/,
    ],
    [
      "a dataset with such a URI",
      { f: dataset(`s3://b/${"k".repeat(20_000)}`) },
      "input",
      /variable f: its URI has/,
    ],
    ["too deep", { deep }, "input", /variable deep:.*500 levels/],
  ];
  for (const [name, literals, code, message] of cases) {
    await t.step(
      name,
      () => assert.throws(() => planDownload(literalMap(literals), DIRECT), { code, message }),
    );
  }
});

Deno.test("NAMED_DIR: a basename that cannot be a file's name is refused", async (t) => {
  const cases: [name: string, literals: Record<string, Literal>, message: RegExp][] = [
    ["..", { v: blob("s3://b/x/..") }, /variable v:.*"\.\." component/],
    ["in a list", { l: list(blob("s3://b/..")) }, /variable l\[0\]:.*"\.\." component/],
    ["NUL", { v: blob("/b/a\0") }, /NUL/],
    ["too long", { v: blob(`s3://b/${"x".repeat(256)}`) }, /255 bytes/],
    [
      "too long after a collision",
      { l: list(blob("x".repeat(255)), blob("x".repeat(255))) },
      /l\[1\]:.*255 bytes/,
    ],
  ];
  for (const [name, literals, message] of cases) {
    await t.step(
      name,
      () => assert.throws(() => planDownload(literalMap(literals), NAMED), { code: "path", message }),
    );
  }
});

Deno.test("reserved names are free below the top and in other positions", () => {
  assert.deepEqual(lines(literalMap({ m: map({ "inputs.pb": integer(1) }) }), DIRECT), [
    "/in/m/",
    "/in/m/inputs.pb = 1",
  ]);
});

/** Names that try to break out, collide, or are merely odd. */
const HOSTILE = [
  "a",
  "b",
  "0",
  "1",
  "2_x",
  "..",
  ".",
  "",
  "...",
  "../a",
  "a/../../b",
  "/etc",
  "a/b",
  "a\\..\\b",
  "x\0y",
  "\ud800",
  "%2e%2e",
  "ä",
  "a\u0308",
  "inputs.pb",
  "x".repeat(300),
];
const ORDINARY = ["a", "b", "0", "1", "x"];
const HOSTILE_URIS = [
  "s3://b/x",
  "s3://b/0",
  "s3://b/1_x",
  "s3://b/..",
  "s3://b/2_x",
  "https://h/x?y/..",
  "s3://b/1",
];

function hostile(random: () => number, depth: number): Literal {
  const kind = random() * (depth > 3 ? 3 : 6);
  if (kind < 1) return integer(1);
  if (kind < 2) return blob(pick(random, HOSTILE_URIS));
  if (kind < 3) return tree(pick(random, HOSTILE_URIS));
  const children = Array.from({ length: Math.floor(random() * 5) }, () => hostile(random, depth + 1));
  if (kind < 4) return list(...children);
  if (kind < 5) return union(hostile(random, depth + 1), INTEGER);
  return map(
    Object.fromEntries(
      children.map((child) => [pick(random, random() < 0.9 ? ORDINARY : HOSTILE), child]),
    ),
  );
}

Deno.test("whatever the names, no path leaves the root, occurs twice, or lies below a file", () => {
  let planned = 0;
  for (let seed = 1; seed <= 4000; seed++) {
    const random = seeded(seed);
    const variables = Array.from(
      { length: 3 },
      () => [pick(random, random() < 0.8 ? ORDINARY : HOSTILE), hostile(random, 0)] as const,
    );
    const options = seed % 2 === 0 ? DIRECT : NAMED;
    let actions: Iterable<Action>;
    try {
      ({ actions } = planDownload({ literals: new Map(variables) }, options));
    } catch (error) {
      assert.match((error as { code: string }).code, /^(path|input)$/, String(error));
      continue;
    }
    planned++;
    const kinds = new Map<string, string>([["/in", "directory"]]);
    for (const { path, kind } of actions) {
      const names = path.split("/");
      assert.deepEqual(names.slice(0, 2), ["", "in"], path);
      assert.ok(names.slice(2).every((name) => name !== "" && name !== "." && name !== ".."), path);
      assert.ok(!kinds.has(path), `seed ${seed}: ${path} occurs twice`);
      assert.equal(kinds.get(names.slice(0, -1).join("/")), "directory", `seed ${seed}: parent of ${path}`);
      kinds.set(path, kind);
    }
  }
  assert.ok(planned > 500, `only ${planned} were planned`);
});

Deno.test("the work grows with the number of literals, not with its square", () => {
  const count = 200_000;
  let reads = 0;
  const counted = (literal: Literal): Literal => ({
    ...literal,
    get value() {
      reads++;
      return literal.value!;
    },
  });
  const element = counted(blob("s3://b/x"));
  const flat = literalMap({ l: list(...Array.from({ length: 3 }, () => element)) });
  assert.equal(planDownload(flat, NAMED).count, 4);
  const perElement = reads / 3;
  reads = 0;
  const literals = Array.from({ length: count }, () => element);
  const value = { case: "collection", value: { literals } } as const;
  const plan = planDownload(literalMap({ l: { value, hash: "", metadata: new Map() } }), NAMED);
  assert.equal(plan.count, count + 1);
  assert.equal(reads / count, perElement);
  assert.equal([...plan.actions].at(-1)!.path, `/in/l/${count - 1}_x`);
});
