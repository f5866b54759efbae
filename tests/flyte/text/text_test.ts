import assert from "assert";
import { parseScalar } from "../../../src/flyte/text/text.ts";
import {
  type Literal,
  type Primitive,
  type Scalar,
  SimpleType,
  type Struct,
} from "../../../src/flyte/types.ts";
import { codeIs } from "../../support/errors.ts";
import { caseFile, caseInputs } from "../../support/flyte.ts";
import { scalarText } from "../../support/flyte.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type PrimitiveValue = NonNullable<Primitive["value"]>;

function textOf(value: PrimitiveValue): string {
  return decoder.decode(scalarText({ value: { case: "primitive", value: { value } } }));
}

Deno.test("integers and booleans are their digits and words", () => {
  for (const value of [0n, -7n, 9223372036854775807n, -9223372036854775808n]) {
    assert.equal(textOf({ case: "integer", value }), String(value));
  }
  assert.equal(textOf({ case: "boolean", value: true }), "true");
  assert.equal(textOf({ case: "boolean", value: false }), "false");
});

Deno.test("floats never have an exponent", async (t) => {
  const cases: [value: number, text: string][] = [
    [1, "1"],
    [0.1, "0.1"],
    [-0, "-0"],
    [1e20, "100000000000000000000"],
    [1e21, `1${"0".repeat(21)}`],
    [123456789012345680000, "123456789012345680000"],
    [1.5e300, `15${"0".repeat(299)}`],
    [1e-6, "0.000001"],
    [-1.25e-7, "-0.000000125"],
    [5e-324, `0.${"0".repeat(323)}5`],
    [1 / 3, "0.3333333333333333"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
  ];
  for (const [value, text] of cases) {
    await t.step(String(value), () => assert.equal(textOf({ case: "floatValue", value }), text));
  }
});

Deno.test("times are RFC 3339 in UTC with as many digits as they need", async (t) => {
  const cases: [seconds: bigint, nanos: number, text: string][] = [
    [0n, 0, "1970-01-01T00:00:00Z"],
    [1709209845n, 123456789, "2024-02-29T12:30:45.123456789Z"],
    [1000000000n, 500000000, "2001-09-09T01:46:40.5Z"],
    [-1n, 250000000, "1969-12-31T23:59:59.25Z"],
    [-62135596800n, 0, "0001-01-01T00:00:00Z"],
    [-62167219200n, 0, "0000-01-01T00:00:00Z"],
    [-62167219201n, 0, "-0001-12-31T23:59:59Z"],
    [253402300799n, 999999999, "9999-12-31T23:59:59.999999999Z"],
    [253402300800n, 0, "10000-01-01T00:00:00Z"],
    [0n, 2_000_000_000, "1970-01-01T00:00:02Z"],
    [0n, -1, "1969-12-31T23:59:59.999999999Z"],
  ];
  for (const [seconds, nanos, text] of cases) {
    await t.step(text, () => assert.equal(textOf({ case: "datetime", value: { seconds, nanos } }), text));
  }
});

Deno.test("durations are Go's", async (t) => {
  const cases: [seconds: bigint, nanos: number, text: string][] = [
    [0n, 0, "0s"],
    [0n, 7, "7ns"],
    [0n, 1500, "1.5µs"],
    [0n, 300_000_000, "300ms"],
    [1n, 0, "1s"],
    [3723n, 500_000_000, "1h2m3.5s"],
    [360000n, 0, "100h0m0s"],
    [-90n, -250_000_000, "-1m30.25s"],
    [1n << 62n, 0, "2562047h47m16.854775807s"],
    [-(1n << 62n), 0, "-2562047h47m16.854775808s"],
  ];
  for (const [seconds, nanos, text] of cases) {
    await t.step(text, () => assert.equal(textOf({ case: "duration", value: { seconds, nanos } }), text));
  }
});

Deno.test("none and an unset primitive are null, an error its message, binary its bytes, a Struct JSON", () => {
  const text = (value: Scalar["value"]) => decoder.decode(scalarText(value === undefined ? {} : { value }));
  assert.equal(text({ case: "noneType", value: {} }), "null");
  assert.equal(text({ case: "primitive", value: {} }), "null");
  assert.equal(text({ case: "error", value: { failedNodeId: "n0", message: "it\nbroke" } }), "it\nbroke");
  const value = Uint8Array.of(0, 255, 10);
  assert.deepEqual(scalarText({ value: { case: "binary", value: { value, tag: "" } } }), value);
  const struct = structOf('{"s":"<&>\u2028é\\b","b":[1.5,null,{"z":true,"a":-0}],"c":1e100,"a":1}');
  const json = '{"a":1,"b":[1.5,null,{"a":-0,"z":true}],"c":1e+100,"s":"\\u003c\\u0026\\u003e\\u2028é\\b"}';
  assert.equal(text({ case: "generic", value: struct }), json);
  assert.throws(() => text(undefined), /^CopilotError: Cannot write a scalar as text: it holds no value/);
  assert.throws(() => text({ case: "blob", value: { uri: "u" } }), /it holds blob/);
});

Deno.test("a Struct with NaN has no JSON", () => {
  const fields = new Map([["x", { kind: { case: "numberValue" as const, value: NaN } }]]);
  assert.throws(
    () => scalarText({ value: { case: "generic", value: { fields } } }),
    /^CopilotError: .*json: unsupported value: NaN/,
  );
});

function structOf(text: string): Struct {
  const { value } = parseScalar(SimpleType.STRUCT, encoder.encode(text));
  assert(value?.case === "generic");
  return value.value;
}

Deno.test("recorded downloads have the recorded files", async (t) => {
  for (const { name, map } of caseInputs()) {
    if (caseFile(name, "expect/inputs.pb.json") === undefined) continue;
    await t.step(name, () => {
      for (const [variable, literal] of map.literals) assertFiles(name, variable, literal);
    });
  }
});

/** Compares the files of a literal's scalars; those of blobs are no text. */
function assertFiles(name: string, path: string, { value }: Literal): void {
  if (value?.case === "collection") {
    return value.value.literals.forEach((item, index) => assertFiles(name, `${path}/${index}`, item));
  }
  if (value?.case === "map") {
    for (const [key, item] of value.value.literals) assertFiles(name, `${path}/${key}`, item);
    return;
  }
  if (value?.case !== "scalar") return;
  const scalar = value.value.value;
  if (scalar?.case === "union") return assertFiles(name, path, scalar.value.value!);
  if (scalar === undefined || ["blob", "schema", "structuredDataset"].includes(scalar.case)) return;
  const wanted = caseFile(name, `expect/local/${path}`);
  assert(wanted !== undefined, path);
  assert.equal(scalarText(value.value).toHex(), wanted.toHex(), path);
}

Deno.test("a byte order mark is passed over before JSON, and named where it spoils a number", () => {
  assert.deepEqual(structOf('\ufeff{"a":1}'), structOf('{"a":1}'));
  assert.deepEqual(structOf('\ufeff \n{"a":1}'), structOf('{"a":1}'));
  for (const type of [SimpleType.INTEGER, SimpleType.FLOAT, SimpleType.BOOLEAN, SimpleType.DATETIME]) {
    assert.throws(
      () => parseScalar(type, encoder.encode("\ufeff42")),
      codeIs("output", "byte order mark", '"42"'),
    );
  }
  const { value } = parseScalar(SimpleType.STRING, encoder.encode("\ufefftext"));
  assert.deepEqual(value, {
    case: "primitive",
    value: { value: { case: "stringValue", value: "\ufefftext" } },
  });
});
