import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import {
  assertKind,
  differencesOf,
  guessKind,
  referencesIn,
  render,
  renderAll,
  renderDifferences,
} from "../../../src/flyte/inspect/mod.ts";
import { encode, encodeLiteralMap } from "../../../src/flyte/codec/idl.ts";
import { Dimensionality, type Literal, SimpleType, type TypedInterface } from "../../../src/flyte/types.ts";
import {
  caseInputs,
  caseNames,
  caseText,
  list,
  literal,
  literalMap,
  map,
  primitive,
  scalar,
} from "../../support/flyte.ts";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();

function table(entries: Record<string, Literal>): string[] {
  return render(encodeLiteralMap(literalMap(entries)), "literals", "table").split("\n");
}

function integer(value: bigint): Literal {
  return primitive({ case: "integer", value });
}

const typed: TypedInterface = {
  inputs: {
    variables: [
      {
        key: "n",
        value: { type: { type: { case: "simple", value: SimpleType.INTEGER } }, description: "how many" },
      },
    ],
  },
  outputs: {
    variables: [{
      key: "o",
      value: {
        type: {
          type: {
            case: "unionType",
            value: {
              variants: [
                {
                  type: {
                    case: "collectionType",
                    value: { type: { case: "simple", value: SimpleType.STRING } },
                  },
                },
                {
                  type: { case: "blob", value: { format: "csv", dimensionality: Dimensionality.MULTIPART } },
                },
              ],
            },
          },
        },
        description: "",
      },
    }],
  },
};

Deno.test("a file's name says what it is", () => {
  assert.equal(guessKind("s3://b/run/inputs.pb", NOTHING), "literals");
  assert.equal(guessKind("outputs.pb", NOTHING), "literals");
  assert.equal(guessKind("./errors.pb", NOTHING), "error");
});

Deno.test("a file without a telling name is told by its bytes", () => {
  const bytes = encode("TypedInterface", typed);
  assert.equal(guessKind("x", bytes), "interface");
  assert.equal(guessKind("x", encoder.encode(`${bytes.toBase64()}\n`)), "interface");
  assert.equal(guessKind("x", encode("VariableMap", typed.inputs!)), "variables");
  assert.equal(guessKind("x", encoder.encode(encode("VariableMap", typed.inputs!).toBase64())), "variables");
  assert.equal(guessKind("x", encodeLiteralMap(literalMap({ a: integer(5n) }))), "literals");
  assert.equal(guessKind("x", encode("Literal", list(integer(5n)))), "literal");
  const error = { code: "OutputUploadFailed", message: "it failed\n  twice", kind: 1, origin: 0 };
  assert.equal(guessKind("x", encode("ErrorDocument", { error })), "error");
});

Deno.test("recorded documents are never taken for another kind", () => {
  let told = 0;
  const check = (bytes: Uint8Array, wanted: string) => {
    try {
      assert.equal(guessKind("x", bytes), wanted);
      told++;
    } catch (thrown) {
      assert(thrown instanceof CopilotError);
    }
  };
  for (const { bytes } of caseInputs()) check(bytes, "literals");
  for (const name of caseNames("")) {
    const text = caseText(name, "interface.b64")?.trim() ?? "";
    if (text !== "") check(encoder.encode(text), name.startsWith("upload-") ? "interface" : "variables");
  }
  assert(told > 100, `${told} were told`);
});

Deno.test("bytes that fit several kinds, or none, ask for the kind", () => {
  for (
    const bytes of [NOTHING, encodeLiteralMap(literalMap({ x: scalar({ case: "noneType", value: {} }) }))]
  ) {
    assert.throws(
      () => guessKind("s3://b/x", bytes),
      /^CopilotError: Cannot tell what "s3:\/\/b\/x" is: it could be literals or .*, give its kind with --kind$/,
    );
  }
  assert.throws(
    () => guessKind("x", encoder.encode("no such thing, this is")),
    /it fits no document of Flyte/,
  );
});

Deno.test("JSON is protobuf's, with sorted keys and the kind", async (t) => {
  for (const { name, bytes } of caseInputs()) {
    const wanted = caseText(name, "remote/in/inputs.json");
    if (wanted === undefined) continue;
    await t.step(
      name,
      () =>
        assert.deepEqual(JSON.parse(render(bytes, "literals", "json")), {
          kind: "literals",
          ...JSON.parse(wanted),
        }),
    );
  }
  await t.step("integers are strings, unknown fields stand under @unknown", () => {
    const bytes = Uint8Array.fromHex("0a040a0208054a030a0161");
    const wanted =
      '{\n  "@unknown": [\n    "SgMKAWE="\n  ],\n  "kind": "literal",\n  "scalar": {\n    "primitive": {\n      "integer": "5"\n    }\n  }\n}\n';
    assert.equal(render(bytes, "literal", "json"), wanted);
  });
});

Deno.test("YAML has the values of the JSON", () => {
  const wanted =
    'kind: literals\nliterals:\n  a:\n    hash: h\n    scalar:\n      primitive:\n        integer: "5"\n';
  assert.equal(
    render(encodeLiteralMap(literalMap({ a: { ...integer(5n), hash: "h" } })), "literals", "yaml"),
    wanted,
  );
});

Deno.test("a table of literals has a row for each in the order of their names, elements below their list or map", () => {
  const directory = scalar({
    case: "blob",
    value: {
      uri: "s3://b/dir",
      metadata: { type: { format: "csv", dimensionality: Dimensionality.MULTIPART } },
    },
  });
  const rows = table({
    n: { ...integer(5n), hash: "abc" },
    text: primitive({ case: "stringValue", value: "a\nb" }),
    files: list(directory),
    m: map({ "two words": scalar({ case: "noneType", value: {} }) }),
    u: scalar({ case: "union", value: { value: primitive({ case: "boolean", value: true }) } }),
    bin: scalar({ case: "binary", value: { value: Uint8Array.of(1, 255), tag: "msgpack" } }),
  });
  assert.deepEqual(rows, [
    "VARIABLE        TYPE             VALUE          HASH",
    "bin             binary(msgpack)  2 bytes: 01ff",
    "files           list             1 element",
    "files[0]        directory(csv)   s3://b/dir",
    "m               map              1 entry",
    'm["two words"]  none             null',
    "n               integer          5              abc",
    'text            string           "a\\nb"',
    "u               union: boolean   true",
    "",
  ]);
});

Deno.test("a table counts the rest of a long list, cuts a long value, and never cuts a URI", () => {
  const uri = `s3://b/${"k".repeat(300)}`;
  const rows = table({
    l: list(...Array.from({ length: 25 }, (_, at) => integer(BigInt(at)))),
    s: primitive({ case: "stringValue", value: "x".repeat(500) }),
    b: scalar({ case: "blob", value: { uri } }),
    o: literal({ case: "offloadedMetadata", value: { uri, sizeBytes: 7n } }),
  });
  assert.equal(rows.filter((row) => row.startsWith("l[")).length, 20);
  assert(rows.some((row) => /^l …\s+5 more$/.test(row)));
  assert(rows.some((row) => /"x{78}…$/.test(row)));
  assert(rows.some((row) => row.endsWith(uri)));
  assert(rows.some((row) => row.endsWith(`${uri} (7 bytes)`)));
});

Deno.test("nothing that a terminal obeys is written to it", () => {
  const hostile = "\u001b[31m\u009b\u202e\u2066x\u2028\u007f";
  const entries = literalMap({
    [hostile]: { ...scalar({ case: "blob", value: { uri: hostile } }), hash: hostile },
    s: primitive({ case: "stringValue", value: hostile }),
  });
  const error = { code: hostile, message: `${hostile}\r\n${hostile}`, kind: 0, origin: 0 };
  // deno-lint-ignore no-control-regex
  const obeyed = /[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]/;
  for (const format of ["table", "json", "yaml"] as const) {
    assert.doesNotMatch(render(encodeLiteralMap(entries), "literals", format), obeyed);
    assert.doesNotMatch(render(encode("ErrorDocument", { error }), "error", format), obeyed);
  }
});

Deno.test("a table of an interface has directions, names and types", () => {
  const bytes = encode("TypedInterface", typed);
  const wanted = [
    "DIRECTION  VARIABLE  TYPE                                  DESCRIPTION",
    "input      n         integer                               how many",
    "output     o         union<list<string> | directory(csv)>",
    "",
  ];
  assert.deepEqual(render(bytes, "interface", "table").split("\n"), wanted);
  assert.deepEqual(render(encoder.encode(bytes.toBase64()), "interface", "table").split("\n"), wanted);
});

Deno.test("a table of an error has its message whole", () => {
  const error = { code: "OutputUploadFailed", message: "it failed:\n\ttwice", kind: 1, origin: 2 };
  assert.equal(
    render(encode("ErrorDocument", { error }), "error", "table"),
    "code     OutputUploadFailed\nkind     RECOVERABLE\norigin   SYSTEM\nmessage  it failed:\n             twice\n",
  );
});

Deno.test("what holds nothing says so", () => {
  assert.equal(render(NOTHING, "literals", "table"), "no variables\n");
  assert.equal(render(NOTHING, "interface", "table"), "no variables\n");
  assert.equal(render(NOTHING, "error", "table"), "no error\n");
  assert.equal(render(NOTHING, "literals", "json"), '{\n  "kind": "literals"\n}\n');
});

function blobOf(uri: string, dimensionality: number): Literal {
  return scalar({ case: "blob", value: { uri, metadata: { type: { format: "", dimensionality } } } });
}

Deno.test("inputs are called inputs, and outputs outputs", () => {
  const bytes = encodeLiteralMap(literalMap({ n: integer(5n) }));
  const title = (name: string) => render(bytes, "literals", "table", { name }).split(/\s/)[0];
  assert.deepEqual(["s3://b/inputs.pb", "./outputs.pb", "other"].map(title), ["INPUT", "OUTPUT", "VARIABLE"]);
  assert.match(render(encode("VariableMap", typed.inputs!), "variables", "table"), /^VARIABLE +TYPE/);
});

Deno.test("JSON of an error always has its kind and origin", () => {
  const bytes = encode("ErrorDocument", { error: { code: "c", message: "m", kind: 0, origin: 0 } });
  assert.deepEqual(JSON.parse(render(bytes, "error", "json")), {
    kind: "error",
    error: { code: "c", message: "m", kind: "NON_RECOVERABLE", origin: "UNKNOWN" },
  });
});

Deno.test("sizes stand beside the references that they belong to, what is not there is missing", () => {
  const [FILE, TREE] = [Dimensionality.SINGLE, Dimensionality.MULTIPART];
  const bytes = encodeLiteralMap(literalMap({
    f: blobOf("s3://b/f", FILE),
    l: list(blobOf("s3://b/d", TREE), blobOf("s3://b/gone", FILE), integer(1n)),
    u: scalar({ case: "union", value: { value: blobOf("s3://b/f", FILE) } }),
    o: literal({ case: "offloadedMetadata", value: { uri: "s3://b/o", sizeBytes: 7n } }),
  }));
  assert.deepEqual(referencesIn(bytes, "literals"), [
    { uri: "s3://b/f", isPrefix: false },
    { uri: "s3://b/d", isPrefix: true },
    { uri: "s3://b/gone", isPrefix: false },
    { uri: "s3://b/o", isPrefix: false },
  ]);
  const sizes = new Map([
    ["s3://b/f", { objects: 1, bytes: 10 }],
    ["s3://b/d", { objects: 20, bytes: 300 }],
    ["s3://b/gone", null],
    ["s3://b/o", { objects: 1, bytes: 7 }],
  ]);
  const rows = render(bytes, "literals", "table", { sizes }).split("\n");
  const cells = rows.map((row) => row.split(/  +/).slice(0, 5));
  assert.deepEqual(cells[0], ["VARIABLE", "TYPE", "VALUE", "OBJECTS", "BYTES"]);
  assert.deepEqual(cells[1], ["f", "file", "s3://b/f", "1", "10"]);
  assert.deepEqual(cells[3], ["l[0]", "directory", "s3://b/d", "20", "300"]);
  assert.deepEqual(cells[4], ["l[1]", "file", "s3://b/gone", "missing"]);
  assert.deepEqual(cells.at(-2), ["total", "22", "317"]);
  const json = JSON.parse(render(bytes, "literals", "json", { sizes }));
  assert.deepEqual(json.sizes["s3://b/d"], { objects: 20, bytes: 300 });
  assert.equal(json.sizes["s3://b/gone"], null);
});

Deno.test("several documents stand below their names", () => {
  const literals = {
    bytes: encodeLiteralMap(literalMap({ n: integer(5n) })),
    kind: "literals" as const,
    around: {},
  };
  const both = new Map([["inputs.pb", literals], ["outputs.pb", literals]]);
  const table = "VARIABLE  TYPE     VALUE\nn         integer  5\n";
  assert.equal(renderAll(both, "table"), `inputs.pb\n${table}\noutputs.pb\n${table}`);
  const json = JSON.parse(renderAll(both, "json"));
  assert.deepEqual(Object.keys(json), ["inputs.pb", "outputs.pb"]);
  assert.equal(json["inputs.pb"].kind, "literals");
});

Deno.test("differences: by path, whatever the order of variables", () => {
  const document = (name: string, entries: Record<string, Literal>) => ({
    name,
    bytes: encodeLiteralMap(literalMap(entries)),
    kind: "literals" as const,
  });
  const a = document("a", { n: integer(5n), gone: integer(1n), l: list(integer(1n), integer(2n)) });
  const b = document("b", { l: list(integer(1n), integer(3n)), n: integer(5n), extra: integer(2n) });
  const found = differencesOf(a, b);
  const text = renderDifferences(found, ["a", "b"], "table");
  assert.deepEqual(text.trimEnd().split("\n").map((row) => row.split(/  +/)), [
    ["PATH", "a", "b"],
    ["literals.extra.scalar.primitive.integer", "absent", '"2"'],
    ["literals.gone.scalar.primitive.integer", '"1"', "absent"],
    ["literals.l.collection.literals[1].scalar.primitive.integer", '"2"', '"3"'],
  ]);
  assert.equal(renderDifferences(differencesOf(a, a), ["a", "a"], "table"), "");
  assert.equal(JSON.parse(renderDifferences(found, ["a", "b"], "json")).differences.length, 3);
  const straight = { variables: [...typed.inputs!.variables, ...typed.outputs!.variables] };
  const reversed = { variables: straight.variables.toReversed() };
  const variables = (value: typeof straight) => ({
    name: "v",
    bytes: encode("VariableMap", value),
    kind: "variables" as const,
  });
  assert.deepEqual(differencesOf(variables(straight), variables(reversed)), []);
});

Deno.test("a wrong kind names the document and what it looks like", () => {
  const bytes = encodeLiteralMap(literalMap({ n: integer(5n) }));
  const wrong = { name: "s3://b/outputs.pb", bytes, kind: "error" as const };
  const said = /"s3:\/\/b\/outputs\.pb" as error \(ErrorDocument\): it looks like literals \(LiteralMap\)/;
  assert.throws(() => assertKind(wrong), said);
  assertKind({ ...wrong, kind: "literals" });
  assert.throws(
    () => render(encoder.encode("no such thing, this is"), "literals", "json", { name: "x.pb" }),
    /"x\.pb" as literals \(LiteralMap\): it looks like no document of Flyte: /,
  );
});
