/** Types as words: what each becomes, that it comes back, and what is refused. */
import assert from "assert";
import { decode, decodeTypedInterface, encode } from "../../../src/flyte/codec/idl.ts";
import { decodeWords, encodeWords } from "../../../src/flyte/inspect/interface_words.ts";
import { parseVariable, typeWord } from "../../../src/flyte/inspect/type_words.ts";
import { Dimensionality, type LiteralType, SimpleType } from "../../../src/flyte/types.ts";
import { codeIs } from "../../support/errors.ts";

function simple(value: number): LiteralType {
  return { type: { case: "simple", value } };
}

function tagged(value: number, tag: string): LiteralType {
  return { ...simple(value), structure: { tag, dataclassType: new Map() } };
}

const CSV: LiteralType = {
  type: { case: "blob", value: { format: "csv", dimensionality: Dimensionality.SINGLE } },
};
const DIR: LiteralType = {
  type: { case: "blob", value: { format: "", dimensionality: Dimensionality.MULTIPART } },
};

const TYPES: [word: string, type: LiteralType, canonical?: string][] = [
  ["int", simple(SimpleType.INTEGER)],
  ["integer", simple(SimpleType.INTEGER), "int"],
  ["string", simple(SimpleType.STRING), "str"],
  ["duration", simple(SimpleType.DURATION), "timedelta"],
  ["none", simple(SimpleType.NONE)],
  ["struct", simple(SimpleType.STRUCT)],
  ["binary", simple(SimpleType.BINARY)],
  ["file[csv]", CSV],
  ["dir", DIR],
  ["list[int]", { type: { case: "collectionType", value: simple(SimpleType.INTEGER) } }],
  ["dict[list[dir]]", {
    type: { case: "mapValueType", value: { type: { case: "collectionType", value: DIR } } },
  }],
  ['enum[a,"b c"]', { type: { case: "enumType", value: { values: ["a", "b c"] } } }],
  [
    "int?",
    { type: { case: "unionType", value: { variants: [tagged(1, "int"), tagged(0, "none")] } } },
    "union[int,none]",
  ],
  [
    "str|file[csv]",
    { type: { case: "unionType", value: { variants: [tagged(3, "str"), CSV] } } },
    "union[str,file[csv]]",
  ],
  ["schema{a:int,b:float}", {
    type: { case: "schema", value: { columns: [{ name: "a", type: 0 }, { name: "b", type: 1 }] } },
  }],
  [
    'dataset[parquet]{a:int,"b:c":list[str]}',
    {
      type: {
        case: "structuredDatasetType",
        value: {
          format: "parquet",
          columns: [
            { name: "a", literalType: simple(SimpleType.INTEGER) },
            {
              name: "b:c",
              literalType: { type: { case: "collectionType", value: simple(SimpleType.STRING) } },
            },
          ],
          externalSchemaType: "",
          externalSchemaBytes: new Uint8Array(),
        },
      },
    },
  ],
];

for (const [word, type, canonical = word] of TYPES) {
  Deno.test(`interface words: ${word}`, () => {
    assert.deepEqual(parseVariable(`x:${word}`), { name: "x", type });
    assert.equal(typeWord(type), canonical);
    assert.equal(typeWord(parseVariable(`x:${canonical}`).type), canonical);
  });
}

Deno.test("interface words: an interface goes to base64 and comes back", () => {
  const base64 = encodeWords(["a:int"], ["rows:int", "sorted:file", "tags:list[str]"]);
  assert.deepEqual(decodeWords(base64), {
    inputs: ["a:int"],
    outputs: ["rows:int", "sorted:file", "tags:list[str]"],
  });
  const { inputs, outputs } = decodeTypedInterface(Uint8Array.fromBase64(base64));
  assert.deepEqual(inputs!.variables.map(({ key }) => key), ["a"]);
  assert.deepEqual(outputs!.variables.map(({ key }) => key), ["rows", "sorted", "tags"]);
  assert.deepEqual(decodeWords(encodeWords([], [])), { inputs: [], outputs: [] });
});

Deno.test("interface words: what Flyte's SDK writes is read, a VariableMap too", () => {
  const map = decode("TypedInterface", Uint8Array.fromBase64(encodeWords([], ["name:str", "a:int"])))
    .outputs!;
  assert.deepEqual(decodeWords(encode("VariableMap", map).toBase64()), {
    inputs: ["name:str", "a:int"],
    outputs: [],
  });
  // Recorded: `Optional[int]` of flytekit, its variants tagged.
  assert.deepEqual(decodeWords("EigKJgoDb3B0Eh8KGVIXCglaBQoDaW50CAEKCloGCgRub25lCAASAm9w"), {
    inputs: [],
    outputs: ["opt:union[int,none]"],
  });
});

Deno.test("interface words: a stranger's names reach no terminal as they are", () => {
  const hostile = "\u001b[31m\u202ex";
  const variables = [{ key: hostile, value: { type: simple(SimpleType.INTEGER), description: "" } }];
  const { outputs } = decodeWords(encode("TypedInterface", { outputs: { variables } }).toBase64());
  assert.deepEqual(outputs, ["\\u{1b}[31m\\u{202e}x:int"]);
});

Deno.test("interface words: what is refused names the word, and what was expected where", () => {
  const cases: [string, RegExp][] = [
    ["x", /"x": expected NAME:TYPE/],
    [":int", /expected NAME:TYPE/],
    ["x:", /expected a type, one of int.* at its end/],
    ["x:lst[str]", /expected a type, .* at "lst\[str\]"/],
    ["x:list", /expected "\[" at its end/],
    ["x:list[str", /expected "\]" at its end/],
    ["x:int]", /expected the end of the type at "\]"/],
    ["x:enum[]", /expected a name at "\]"/],
    ["x:schema{a:file}", /expected a column's type, one of int, float/],
    ['x:file["a]', /expected a name at ""a\]"/],
    [`x:${"list[".repeat(70)}int${"]".repeat(70)}`, /at most 64 types within each other/],
  ];
  for (const [word, pattern] of cases) {
    assert.throws(
      () => parseVariable(word),
      (error: Error) => codeIs("usage")(error) && pattern.test(error.message),
      word,
    );
  }
  assert.throws(() => encodeWords([], ["a:int", "a:str"]), /"a" is there already/);
  assert.throws(() => decodeWords("%%"), /no base64/);
  assert.throws(() => decodeWords("////"), codeIs("input"));
});
