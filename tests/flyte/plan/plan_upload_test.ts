import assert from "assert";
import { cannot } from "../../../src/errors.ts";
import type { UploadOptions } from "../../../src/flyte/plan/plan_upload.ts";
import { planUpload } from "../../../src/flyte/plan/plan_upload.ts";
import type { Literal, LiteralType, SchemaType, StructuredDatasetType } from "../../../src/flyte/types.ts";
import { SimpleType } from "../../../src/flyte/types.ts";
import type { Directory } from "../../support/plans.ts";
import {
  blob,
  DIRECTORY,
  FILE,
  INTEGER,
  integer,
  list,
  listType,
  literalMap,
  map,
  mapType,
  MemoryTree,
  NONE,
  none,
  outputs,
  primitive,
  scalar,
  simple,
  STRING,
  text,
  tree,
  union,
  unionType,
} from "../../support/plans.ts";

const OPTIONS: UploadOptions = { rawPrefix: "s3://b/raw", mode: "UPLOAD_ON_EXIT" };
const BOOLEAN = simple(SimpleType.BOOLEAN);
const COLOR: LiteralType = { type: { case: "enumType", value: { values: ["red", "green"] } } };
const DATASET_TYPE: StructuredDatasetType = {
  columns: [{ name: "id", literalType: INTEGER }],
  format: "parquet",
  externalSchemaType: "",
  externalSchemaBytes: new Uint8Array(0),
};
const DATASET: LiteralType = { type: { case: "structuredDatasetType", value: DATASET_TYPE } };
const SCHEMA_TYPE: SchemaType = { columns: [{ name: "id", type: 0 }] };
const SCHEMA: LiteralType = { type: { case: "schema", value: SCHEMA_TYPE } };

function dataset(uri: string): Literal {
  return scalar({
    case: "structuredDataset",
    value: { uri, metadata: { structuredDatasetType: DATASET_TYPE } },
  });
}

function plan(types: Record<string, LiteralType>, directory: Directory, options = OPTIONS) {
  return planUpload(outputs(types), new MemoryTree(directory), options);
}

function uploadsOf(types: Record<string, LiteralType>, directory: Directory): string[] {
  return plan(types, directory).uploads.map(({ variable, kind, path, uri }) =>
    `${variable}: ${path}${kind === "directory" ? "/" : ""} > ${uri}`
  );
}

function refused(
  types: Record<string, LiteralType>,
  directory: Directory,
  error: { code?: string; message: RegExp },
) {
  assert.throws(() => plan(types, directory), { code: "output", ...error });
}

Deno.test("literals come from the layout that download makes", async (t) => {
  const uri = "s3://b/raw/v";
  const cases: [name: string, type: LiteralType, v: Directory[string], literal: Literal][] = [
    ["integer", INTEGER, " 42\n", integer(42)],
    ["string", STRING, "  a  b\n", text("a  b")],
    ["boolean", BOOLEAN, "t", primitive({ case: "boolean", value: true })],
    ["none takes any content", NONE, "whatever", none()],
    ["enum", COLOR, "green\n", text("green")],
    ["file", FILE, "x", blob(uri)],
    ["directory", DIRECTORY, {}, tree(uri)],
    ["dimensionality follows the disk: file", DIRECTORY, "x", blob(uri)],
    ["dimensionality follows the disk: directory", FILE, {}, tree(uri)],
    ["dataset", DATASET, { p: "x" }, dataset(uri)],
    ["dataset of one file", DATASET, "x", dataset(uri)],
    ["schema", SCHEMA, {}, scalar({ case: "schema", value: { uri, type: SCHEMA_TYPE } })],
    ["empty list", listType(INTEGER), {}, list()],
    [
      "list in numeric order",
      listType(INTEGER),
      numbered(11),
      list(...Array.from({ length: 11 }, (_, i) => integer(i))),
    ],
    [
      "list with extensions",
      listType(BOOLEAN),
      { "0.txt": "true", "1": "f" },
      list(
        primitive({ case: "boolean", value: true }),
        primitive({ case: "boolean", value: false }),
      ),
    ],
    ["list entry: the exact name wins", listType(INTEGER), { "0.bak": "2", "0": "1" }, list(integer(1))],
    ["list with hidden files", listType(INTEGER), { ".keep": "", "0": "1" }, list(integer(1))],
    [
      "list of names that are no indices, in natural order",
      listType(INTEGER),
      { "part-10.txt": "10", "part-2.txt": "2", "part-1b": "1", ".keep": "", "Part-3": "3", "x": "4" },
      list(integer(3), integer(1), integer(2), integer(10), integer(4)),
    ],
    [
      "list with zeros in front",
      listType(INTEGER),
      { "010": "3", "001": "1", "02": "2" },
      list(...[1, 2, 3].map(integer)),
    ],
    ["empty map", mapType(INTEGER), {}, map({})],
    [
      "map, extensions belong to the key",
      mapType(INTEGER),
      { "b c": "2", "k.txt": "3", ".h": "4" },
      map({
        ".h": integer(4),
        "b c": integer(2),
        "k.txt": integer(3),
      }),
    ],
    [
      "list of maps",
      listType(mapType(INTEGER)),
      { "0": { a: "1" }, "1": {} },
      list(map({ a: integer(1) }), map({})),
    ],
    ["map of lists", mapType(listType(INTEGER)), { x: { "0": "1" } }, map({ x: list(integer(1)) })],
  ];
  for (const [name, type, v, literal] of cases) {
    await t.step(name, () => assert.deepEqual(plan({ v: type }, { v }).outputs, literalMap({ v: literal })));
  }
});

function numbered(count: number): Directory {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [index, String(index)]).reverse());
}

Deno.test("a blob's declared format stays, an unknown field too", () => {
  const value = { format: "csv", dimensionality: 0, unknown: [Uint8Array.of(1)] };
  assert.deepEqual(
    plan({ f: { type: { case: "blob", value } } }, { f: {} }).outputs.literals.get("f"),
    scalar({
      case: "blob",
      value: { uri: "s3://b/raw/f", metadata: { type: { ...value, dimensionality: 1 } } },
    }),
  );
});

Deno.test("blobs go below the raw prefix under their variable, index or key, as they are named", () => {
  assert.deepEqual(
    uploadsOf({
      "my file": FILE,
      größe: FILE,
      "50%": DIRECTORY,
      "a?b#c": FILE,
      ext: FILE,
      files: listType(FILE),
      named: listType(FILE),
      dirs: mapType(DIRECTORY),
      deep: listType(mapType(listType(FILE))),
      df: DATASET,
      one: SCHEMA,
    }, {
      "my file": "",
      größe: "",
      "50%": {},
      "a?b#c": "",
      "ext.tar.gz": "",
      files: { "0.csv": "", "1": "" },
      named: { "b 2.csv": "", "a.csv": "" },
      dirs: { "train.d": { x: "" }, test: {} },
      deep: { "0": { k: { "0": "" } } },
      df: {},
      one: "",
    }),
    [
      '"my file": my file > s3://b/raw/my file',
      "größe: größe > s3://b/raw/größe",
      '"50%": 50%/ > s3://b/raw/50%',
      '"a?b#c": a?b#c > s3://b/raw/a?b#c',
      "ext: ext.tar.gz > s3://b/raw/ext",
      "files[0]: files/0.csv > s3://b/raw/files/0",
      "files[1]: files/1 > s3://b/raw/files/1",
      "named[0]: named/a.csv > s3://b/raw/named/a.csv",
      "named[1]: named/b 2.csv > s3://b/raw/named/b 2.csv",
      "dirs.test: dirs/test/ > s3://b/raw/dirs/test",
      'dirs["train.d"]: dirs/train.d/ > s3://b/raw/dirs/train.d',
      "deep[0].k[0]: deep/0/k/0 > s3://b/raw/deep/0/k/0",
      "df: df/ > s3://b/raw/df",
      "one: one > s3://b/raw/one",
    ],
  );
});

Deno.test("exactly one slash stands between the raw prefix and a name", async (t) => {
  const cases: [rawPrefix: string, uri: string][] = [
    ["s3://b/raw", "s3://b/raw/f"],
    ["s3://b/raw/", "s3://b/raw/f"],
    ["s3://b", "s3://b/f"],
    ["/local/raw", "/local/raw/f"],
  ];
  for (const [rawPrefix, uri] of cases) {
    await t.step(rawPrefix, () => {
      const { uploads, outputs } = plan({ f: FILE }, { f: "" }, { ...OPTIONS, rawPrefix });
      assert.deepEqual(uploads.map((upload) => upload.uri), [uri]);
      assert.deepEqual(outputs, literalMap({ f: blob(uri) }));
    });
  }
});

Deno.test("DO_NOT_UPLOAD names the places and uploads nothing; UPLOAD_EAGER has the plan of UPLOAD_ON_EXIT", () => {
  const types = { f: FILE, n: INTEGER };
  const directory = { f: "x", n: "1" };
  const onExit = plan(types, directory);
  assert.deepEqual(plan(types, directory, { ...OPTIONS, mode: "UPLOAD_EAGER" }), onExit);
  assert.deepEqual(plan(types, directory, { ...OPTIONS, mode: "DO_NOT_UPLOAD" }), { ...onExit, uploads: [] });
});

Deno.test("an interface without outputs gives an empty plan and looks at nothing", () => {
  const directory = new MemoryTree({ stray: "x" });
  for (const iface of [{}, { outputs: { variables: [] } }]) {
    assert.deepEqual(planUpload(iface, directory, OPTIONS), { outputs: literalMap({}), uploads: [] });
  }
  assert.equal(directory.listed.size, 0);
});

Deno.test("a name without a file stands for exactly one name.*", async (t) => {
  const found: [name: string, directory: Directory][] = [
    ["v", { "v.txt": "1" }],
    ["v", { v: "1", "v.txt": "2", "v.csv": "3" }],
    ["v", { "v.": "1" }],
    ["v", { "v.a.b": "1", vx: "2", "x.v": "3" }],
    ["a.b", { "a.b.txt": "1" }],
    ["v[1]", { "v[1].txt": "1", "v1.txt": "2" }],
    ["v*", { "v*.txt": "1", "vv.txt": "2" }],
    ["?", { "?.txt": "1", "x.txt": "2" }],
  ];
  for (const [name, directory] of found) {
    await t.step(
      `${name} in ${Object.keys(directory)}`,
      () =>
        assert.deepEqual(plan({ [name]: INTEGER }, directory).outputs, literalMap({ [name]: integer(1) })),
    );
  }
  await t.step("a directory may have an extension too", () => {
    assert.deepEqual(uploadsOf({ v: DIRECTORY }, { "v.d": { x: "" } }), ["v: v.d/ > s3://b/raw/v"]);
    assert.deepEqual(
      plan({ v: listType(INTEGER) }, { "v.list": { "0": "1" } }).outputs,
      literalMap({ v: list(integer(1)) }),
    );
  });
  await t.step("several are an error that lists them", () => {
    refused({ v: INTEGER }, { "v.txt": "1", "v.csv": "1" }, {
      message: /variable v: "v\.txt", "v\.csv" all stand for "v"/,
    });
    refused({ l: listType(INTEGER) }, { l: { "0.a": "1", "0.b": "1" } }, {
      message: /l\[0\]: "0\.a", "0\.b" all stand for "0"/,
    });
  });
  await t.step("a pattern is literal text", () => {
    refused({ "v*": INTEGER }, { "vv.txt": "1" }, { message: /"v\*"/ });
    refused({ "[v]": INTEGER }, { "v.txt": "1" }, { message: /"\[v\]"/ });
  });
});

Deno.test("the directory is listed once however many variables have extensions", () => {
  const names = Array.from({ length: 2000 }, (_, index) => `v${index}`);
  const directory = new MemoryTree(Object.fromEntries(names.map((name) => [`${name}.txt`, "1"])));
  planUpload(outputs(Object.fromEntries(names.map((name) => [name, INTEGER]))), directory, OPTIONS);
  assert.deepEqual([...directory.listed], [["", 1]]);
});

/** A task's directory with a name that no string can hold. */
class ForeignTree extends MemoryTree {
  readonly #shown: string;

  constructor(root: Directory, shown: string) {
    super(root);
    this.#shown = shown;
  }

  override names(path: readonly string[], onForeign?: (shown: string) => void): readonly string[] {
    onForeign?.(this.#shown);
    return super.names(path);
  }
}

Deno.test("a name that is not UTF-8 and stands for a variable is an error that shows it, even beside another one", () => {
  for (const directory of [{}, { "v.txt": "1" }]) {
    assert.throws(
      () => planUpload(outputs({ v: INTEGER }), new ForeignTree(directory, "v.caf\\xE9"), OPTIONS),
      {
        code: "output",
        message: /variable v: the name "v\.caf\\xE9" in the output directory is not UTF-8/,
      },
    );
  }
});

Deno.test("a name that is not UTF-8 and stands for no variable is shown where one is missing, and else passed over", () => {
  const foreign = new ForeignTree({ "v.txt": "1" }, "caf\\xE9");
  planUpload(outputs({ v: INTEGER }), foreign, OPTIONS);
  assert.throws(() => planUpload(outputs({ w: INTEGER }), foreign, OPTIONS), {
    message: /which holds "caf.*xE9", "v\.txt"$/,
  });
});

Deno.test("what is missing or does not fit is an error that names the variable", async (t) => {
  const cases: [name: string, type: LiteralType, directory: Directory, message: RegExp][] = [
    ["missing", STRING, { other: "" }, /variable v: there is no file or directory "v".*"v\.\*"/],
    ["missing file", FILE, {}, /variable v: there is no.*which is empty$/],
    ["missing, others there", FILE, { b: "", "a.x": "", ".h": "" }, /which holds "a\.x", "b"$/],
    [
      "missing, other capitals",
      FILE,
      { "V.csv": "", w: "" },
      /which holds "V\.csv", "w", did you mean "V\.csv"$/,
    ],
    ["missing list", listType(INTEGER), {}, /variable v: there is no/],
    ["missing none", NONE, {}, /variable v: there is no/],
    [
      "directory for a value",
      INTEGER,
      { v: {} },
      /variable v: expected a file for type INTEGER, found a directory at "v"/,
    ],
    ["directory for an enum", COLOR, { v: {} }, /variable v: expected a file for type enum/],
    [
      "file for a list",
      listType(INTEGER),
      { v: "1" },
      /variable v: expected a directory for a list, found a file at "v"/,
    ],
    ["file for a map", mapType(INTEGER), { v: "1" }, /variable v: expected a directory for a map/],
    ["bad integer", INTEGER, { v: "1.5" }, /variable v: .*1\.5/],
    ["bad boolean", BOOLEAN, { v: "yes" }, /variable v: .*yes/],
    ["bad Struct", simple(SimpleType.STRUCT), { v: "{not json" }, /variable v: /],
    ["not in the enum", COLOR, { v: "mauve" }, /variable v: "mauve" is not a value.*"red", "green"/],
    ["enum, case", COLOR, { v: "Red" }, /variable v: "Red"/],
    [
      "1,025 bytes",
      STRING,
      { v: " ".repeat(1025) },
      /variable v: maximum allowed filesize is \[1024\], but found \[1025\]/,
    ],
    ["1,025 bytes for an enum", COLOR, { v: "x".repeat(1025) }, /variable v: maximum allowed filesize/],
    ["gap", listType(INTEGER), { v: { "0": "1", "2": "3" } }, /variable v: .*none for index 1/],
    ["gap at the start", listType(INTEGER), { v: { "1": "1" } }, /variable v: .*none for index 0/],
    [
      "huge index",
      listType(INTEGER),
      { v: { "0": "", "999999999999999": "" } },
      /variable v: .*none for index 1/,
    ],
    [
      "stray name in a list",
      listType(INTEGER),
      { v: { "0": "1", notes: "" } },
      /variable v: .*"notes".*0, 1, 2/,
    ],
    ["leading zero beside an index", listType(INTEGER), { v: { "0": "1", "00": "1" } }, /variable v: .*"00"/],
    ["bad element", listType(INTEGER), { v: { "0": "1", "1": "x" } }, /variable v\[1\]: .*x/],
    [
      "bad value in a map in a list",
      listType(mapType(INTEGER)),
      { v: { "0": { b: "x" } } },
      /variable v\[0\]\.b: /,
    ],
  ];
  for (const [name, type, directory, message] of cases) {
    await t.step(name, () => refused({ v: type }, directory, { message }));
  }
  await t.step("exactly 1,024 bytes are taken", () => {
    assert.deepEqual(
      plan({ v: STRING }, { v: "x".repeat(1024) }).outputs,
      literalMap({ v: text("x".repeat(1024)) }),
    );
  });
});

Deno.test("interfaces are not trusted either", async (t) => {
  for (const name of ["..", "../x", "/etc/passwd", "a/b", "", ".", "a\0b", "x".repeat(256)]) {
    await t.step(
      JSON.stringify(name).slice(0, 20),
      () => refused({ [name]: FILE }, {}, { code: "path", message: /variable/ }),
    );
  }
  await t.step(
    "an unknown type",
    () => refused({ v: {} }, { v: "" }, { code: "unsupported", message: /variable v: .*type/ }),
  );
  await t.step("no type at all", () => {
    const iface = { outputs: { variables: [{ key: "v" }] } };
    assert.throws(() => planUpload(iface, new MemoryTree({ v: "" }), OPTIONS), { code: "unsupported" });
  });
  await t.step("a name twice", () => {
    const variable = { key: "v", value: { type: FILE, description: "" } };
    assert.throws(
      () => planUpload({ outputs: { variables: [variable, variable] } }, new MemoryTree({ v: "" }), OPTIONS),
      {
        code: "input",
        message: /variable v: .*twice/,
      },
    );
  });
  await t.step("names of Object.prototype are names like others", () => {
    assert.deepEqual(
      plan({ constructor: INTEGER }, { constructor: "1" }).outputs.literals.get("constructor"),
      integer(1),
    );
  });
});

Deno.test("a union takes the first variant that fits and records its type", async (t) => {
  const cases: [
    name: string,
    variants: LiteralType[],
    directory: Directory,
    value: Literal,
    type: LiteralType,
  ][] = [
    ["first", [INTEGER, STRING], { v: "12" }, integer(12), INTEGER],
    ["second", [INTEGER, STRING], { v: "twelve" }, text("twelve"), STRING],
    ["null is none", [INTEGER, NONE], { v: " null\n" }, none(), NONE],
    ["empty is none", [INTEGER, NONE], { v: "\n" }, none(), NONE],
    ["missing is none", [FILE, INTEGER, NONE], {}, none(), NONE],
    ["order counts for text too", [STRING, NONE], { v: "" }, text(""), STRING],
    ["a file", [INTEGER, FILE], { v: "text" }, blob("s3://b/raw/v"), FILE],
    [
      "a directory",
      [INTEGER, listType(INTEGER), DIRECTORY],
      { v: { x: "" } },
      tree("s3://b/raw/v"),
      DIRECTORY,
    ],
    ["the blob of the right dimensionality", [FILE, DIRECTORY], { v: {} }, tree("s3://b/raw/v"), DIRECTORY],
    [
      "the other dimensionality if nothing else fits",
      [INTEGER, DIRECTORY],
      { v: "x" },
      blob("s3://b/raw/v"),
      DIRECTORY,
    ],
    ["enum", [COLOR, STRING], { v: "blue" }, text("blue"), STRING],
    ["large text is a file", [STRING, FILE], { v: "x".repeat(2000) }, blob("s3://b/raw/v"), FILE],
    ["nested", [unionType(INTEGER, NONE)], {}, union(none(), NONE), unionType(INTEGER, NONE)],
    ["an unknown variant is passed over", [{}, INTEGER], { v: "1" }, integer(1), INTEGER],
  ];
  for (const [name, variants, directory, value, type] of cases) {
    await t.step(name, () => {
      const { outputs } = plan({ v: unionType(...variants) }, directory);
      assert.deepEqual(outputs, literalMap({ v: union(value, type) }));
    });
  }
});

Deno.test("a variant that failed leaves no uploads behind", () => {
  const files = mapType(unionType(INTEGER, FILE));
  const type = unionType(listType(FILE), mapType(INTEGER), files);
  assert.deepEqual(uploadsOf({ v: type }, { v: { "0": "", "1": "", x: "3" } }), [
    'v["0"]: v/0 > s3://b/raw/v/0',
    'v["1"]: v/1 > s3://b/raw/v/1',
  ]);
  assert.deepEqual(
    uploadsOf({ a: FILE, v: unionType(listType(unionType(FILE, INTEGER)), DIRECTORY) }, {
      a: "",
      v: { "0": "", "2": "" },
    }),
    ["a: a > s3://b/raw/a", "v: v/ > s3://b/raw/v"],
  );
});

Deno.test("a union without a fitting variant says what each of them said", () => {
  refused({ maybe: unionType(INTEGER, NONE, listType(INTEGER)) }, { maybe: "abc" }, {
    message:
      /variable maybe: no variant of its union fits \(INTEGER: .*abc.*; NONE: "maybe" holds text.*; list: expected a dir/,
  });
  refused({ v: unionType(INTEGER, STRING) }, {}, {
    message: /variable v: .*INTEGER: there is no file.*STRING: there is no/,
  });
  refused({ v: unionType() }, { v: "" }, { message: /variable v: no variant/ });
  const long = unionType(
    ...Array.from({ length: 500 }, () => unionType(...Array.from({ length: 50 }, () => INTEGER))),
  );
  assert.throws(() => plan({ v: long }, { v: "x" }), (error: Error) => error.message.length < 5000);
});

Deno.test("unions inside unions are tried in proportion to their types, not exponentially", () => {
  let type: LiteralType = unionType(INTEGER);
  for (let depth = 0; depth < 60; depth++) type = unionType(type);
  refused({ v: type }, { v: "x" }, { message: /variable v: no variant/ });
});

Deno.test("what the tree throws is passed on with the variable's name, also from inside a union", () => {
  class Guarded extends MemoryTree {
    override kind(path: readonly string[]): "file" | "directory" | "missing" {
      if (path.at(-1) === "link") throw cannot(`upload "link"`, { path: "it leads outside" });
      return super.kind(path);
    }
  }
  const guarded = new Guarded({ m: { link: "x" } });
  const type = mapType(unionType(FILE, NONE));
  assert.throws(() => planUpload(outputs({ m: unionType(type, DIRECTORY) }), guarded, OPTIONS), {
    code: "path",
    message: /variable m\.link: Cannot upload "link": it leads outside/,
  });
});

Deno.test("a file that grows after it was measured is not read", () => {
  class Growing extends MemoryTree {
    override size(): number {
      return 3;
    }
  }
  assert.throws(() => planUpload(outputs({ v: STRING }), new Growing({ v: "x".repeat(2000) }), OPTIONS), {
    code: "input",
    message: /variable v: .*too large/,
  });
});
