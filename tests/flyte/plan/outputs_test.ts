import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import { parseScalar } from "../../../src/flyte/text/text.ts";
import {
  type Duration,
  type Scalar,
  SimpleType,
  type Struct,
  type Timestamp,
} from "../../../src/flyte/types.ts";
import { scalarText } from "../../support/flyte.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function parsed(simple: number, text: string): Scalar {
  return parseScalar(simple, encoder.encode(text));
}

function parsedPrimitive(simple: number, text: string): unknown {
  const { value } = parsed(simple, text);
  assert(value?.case === "primitive");
  return value.value.value?.value;
}

function assertRefused(simple: number, text: string | Uint8Array, ...parts: string[]): void {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  assert.throws(() => parseScalar(simple, bytes), (thrown: unknown) => {
    assert(thrown instanceof CopilotError);
    assert.equal(thrown.code, "output");
    for (const part of parts) assert(thrown.message.includes(part), `${thrown.message} lacks ${part}`);
    return true;
  }, `${JSON.stringify(text)} was accepted`);
}

function structOf(text: string): Struct {
  const { value } = parsed(SimpleType.STRUCT, text);
  assert(value?.case === "generic");
  return value.value;
}

Deno.test("integers are read as Go's ParseInt does", async (t) => {
  const cases: [text: string, value: bigint][] = [
    ["42", 42n],
    ["+5", 5n],
    ["007", 7n],
    ["-0", 0n],
    [" \t\n12\n\n", 12n],
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
  ];
  for (const [text, value] of cases) {
    await t.step(
      JSON.stringify(text),
      () => assert.equal(parsedPrimitive(SimpleType.INTEGER, text), value),
    );
  }
  for (const text of ["", "1.5", "1_000", "0x1F", "1.0", "\ufeff1", "1\r", "+", "--1", "１", "1 2"]) {
    await t.step(
      `not ${JSON.stringify(text)}`,
      () => assertRefused(SimpleType.INTEGER, text, "as an integer, wanted"),
    );
  }
  for (const text of ["9223372036854775808", "-9223372036854775809"]) {
    await t.step(`not ${text}`, () => assertRefused(SimpleType.INTEGER, text, `"${text}"`, "out of range"));
  }
});

Deno.test("floats are read as Go's ParseFloat does", async (t) => {
  const cases: [text: string, value: number][] = [
    ["2.5", 2.5],
    ["1e5", 100000],
    [".5", 0.5],
    ["5.", 5],
    ["-0", -0],
    ["inf", Infinity],
    ["-Infinity", -Infinity],
    ["+iNf", Infinity],
    ["nAn", NaN],
    ["1_0", 10],
    ["1e1_0", 1e10],
    ["1e-400", 0],
    ["0x1.8p1", 3],
    ["0x.8p-3", 0.0625],
    ["0x1_0p0", 16],
    ["0x_1p0", 1],
    ["-0X1P+4", -16],
    ["0x1p-1074", 5e-324],
    ["0x1p-1075", 0],
    ["0x1.8p-1075", 5e-324],
    ["0x1.00000000000008p0", 1],
    ["0x1.00000000000018p0", 1.0000000000000004],
    ["0x1.000000000000080000001p0", 1.0000000000000002],
    ["0x1.fffffffffffff7p1023", 1.7976931348623157e308],
    ["0x1p-99999999999", 0],
    ["1.7976931348623157e308", 1.7976931348623157e308],
    ["123456789012345678901234567890", 1.2345678901234568e29],
  ];
  for (const [text, value] of cases) {
    await t.step(text, () => assert(Object.is(parsedPrimitive(SimpleType.FLOAT, text), value)));
  }
  const refused = [
    "",
    "1,5",
    "e5",
    ".",
    "0x1",
    "0xp1",
    "1__0",
    "_1",
    "1_",
    "1_.5",
    "+nan",
    "infin",
    "1e",
    "1 e5",
    "0b1p1",
  ];
  for (const text of refused) {
    await t.step(
      `not ${JSON.stringify(text)}`,
      () => assertRefused(SimpleType.FLOAT, text, "as a float, wanted"),
    );
  }
  for (const text of ["1e400", "-1e309", "0x1p1024", "0x1.fffffffffffff8p1023", "0x1p99999999999"]) {
    await t.step(`not ${text}`, () => assertRefused(SimpleType.FLOAT, text, `"${text}"`, "out of range"));
  }
});

Deno.test("booleans are read as Go's ParseBool does", () => {
  for (const text of ["1", "t", "T", "true", "TRUE", "True", " true\n"]) {
    assert.equal(parsedPrimitive(SimpleType.BOOLEAN, text), true, text);
  }
  for (const text of ["0", "f", "F", "false", "FALSE", "False"]) {
    assert.equal(parsedPrimitive(SimpleType.BOOLEAN, text), false, text);
  }
  for (const text of ["yes", "tRUE", "", "2"]) {
    assertRefused(SimpleType.BOOLEAN, text, `"${text}" as a boolean, wanted`);
  }
});

Deno.test("durations are read as Go's ParseDuration does", async (t) => {
  const cases: [text: string, seconds: bigint, nanos: number][] = [
    ["1h2m3.5s", 3723n, 500_000_000],
    ["1.5h", 5400n, 0],
    ["-3m2.5s", -182n, -500_000_000],
    ["5us", 0n, 5000],
    ["7µs", 0n, 7000],
    ["7μs", 0n, 7000],
    ["0", 0n, 0],
    ["+5s", 5n, 0],
    [".5s", 0n, 500_000_000],
    ["0.3333333333333333333h", 1200n, 0],
    ["2562047h47m16.854775807s", 9223372036n, 854775807],
    ["-2562047h47m16.854775808s", -9223372036n, -854775808],
  ];
  for (const [text, seconds, nanos] of cases) {
    const value: Duration = { seconds, nanos };
    await t.step(text, () => assert.deepEqual(parsedPrimitive(SimpleType.DURATION, text), value));
  }
  for (const text of ["1d", "15", "1h 2m", "", "2562047h47m16.854775808s", "1h-2m", ".s", "s"]) {
    await t.step(
      `not ${JSON.stringify(text)}`,
      () => assertRefused(SimpleType.DURATION, text, `${text}" as a duration`),
    );
  }
});

Deno.test("times are read as Go's time.Parse(RFC3339) does", async (t) => {
  const cases: [text: string, seconds: bigint, nanos: number][] = [
    ["2024-02-29T12:00:00Z", 1709208000n, 0],
    ["2024-02-29T12:00:00+05:30", 1709188200n, 0],
    ["2024-02-29T12:00:00.5-08:00", 1709236800n, 500_000_000],
    ["2024-02-29T00:00:00,5Z", 1709164800n, 500_000_000],
    ["2024-02-29T00:00:00.1234567899Z", 1709164800n, 123_456_789],
    ["2024-02-29T1:00:00Z", 1709168400n, 0],
    ["0001-01-01T00:00:00Z", -62135596800n, 0],
    ["0000-01-01T00:00:00Z", -62167219200n, 0],
    ["9999-12-31T23:59:59Z", 253402300799n, 0],
    ["2024-02-29T12:00:00+24:00", 1709121600n, 0],
  ];
  for (const [text, seconds, nanos] of cases) {
    const value: Timestamp = { seconds, nanos };
    await t.step(text, () => assert.deepEqual(parsedPrimitive(SimpleType.DATETIME, text), value));
  }
  const refused = [
    "2024-02-29T12:00:00",
    "2024-02-29t12:00:00Z",
    "2024-02-29T12:00:00z",
    "2024-02-29T12:00:00+0530",
    "2024-02-29T24:00:00Z",
    "2024-02-29T12:60:00Z",
    "2024-02-29T12:00:60Z",
    "2023-02-29T12:00:00Z",
    "1900-02-29T12:00:00Z",
    "2024-13-01T12:00:00Z",
    "2024-00-01T12:00:00Z",
    "2024-04-31T12:00:00Z",
    "2024-4-1T12:00:00Z",
    "2024-02-29T12:00:00.Z",
    "2024-02-29 12:00:00Z",
    "2024-02-29T12:00:00Z ago",
    "10000-01-01T00:00:00Z",
    "",
  ];
  for (const text of refused) {
    await t.step(
      `not ${JSON.stringify(text)}`,
      () => assertRefused(SimpleType.DATETIME, text, `"${text}" as a datetime`),
    );
  }
});

Deno.test("texts lose blanks, tabs and newlines around them, and keep carriage returns", () => {
  assert.equal(parsedPrimitive(SimpleType.STRING, " \t\n a  b \n\tc \t\n"), "a  b \n\tc");
  assert.equal(parsedPrimitive(SimpleType.STRING, "dos\r\n"), "dos\r");
  assert.equal(parsedPrimitive(SimpleType.STRING, "\ufeffx"), "\ufeffx");
  assert.equal(parsedPrimitive(SimpleType.STRING, ""), "");
  assert.equal(parsedPrimitive(SimpleType.STRING, "\u00a0x\u00a0"), "\u00a0x\u00a0");
  assert.deepEqual(parsed(SimpleType.ERROR, " it broke\n").value, {
    case: "error",
    value: { failedNodeId: "", message: "it broke" },
  });
});

Deno.test("text that is not UTF-8 is refused, and quoted with its bad bytes replaced", () => {
  const bytes = Uint8Array.of(0x63, 0x61, 0x66, 0xe9);
  for (const simple of [SimpleType.STRING, SimpleType.INTEGER, SimpleType.STRUCT, SimpleType.ERROR]) {
    assertRefused(simple, bytes, '"caf\ufffd"', "invalid UTF-8");
  }
});

Deno.test("binary is taken as it is, blanks around it too", () => {
  const bytes = Uint8Array.of(10, 1, 32, 9);
  assert.deepEqual(parseScalar(SimpleType.BINARY, bytes).value, {
    case: "binary",
    value: { value: bytes, tag: "msgpack" },
  });
});

Deno.test("none takes whatever its file holds", () => {
  for (const text of ["", "null", "\u0000x"]) {
    assert.deepEqual(parsed(SimpleType.NONE, text).value?.case, "noneType");
  }
});

Deno.test("a Struct is read as Go's jsonpb does", async (t) => {
  const cases: [text: string, json: string][] = [
    ['{"a": [1, 2.5, null, "x"], "b": {"c": true}}', '{"a":[1,2.5,null,"x"],"b":{"c":true}}'],
    ["{}", "{}"],
    ["null", "{}"],
    ['{"a":1} x', '{"a":1}'],
    ['{"a":"}"}}', '{"a":"}"}'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['\r{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
    ['{"a":"\\ud800"}', '{"a":"\ufffd"}'],
  ];
  for (const [text, json] of cases) {
    await t.step(text, () => {
      assert.equal(decoder.decode(scalarText({ value: { case: "generic", value: structOf(text) } })), json);
    });
  }
  for (const text of ["[1]", "NaN", "", '"x"', "{not json", '{"a":1', '{"a":1e400}', '{"a":NaN}', "1"]) {
    await t.step(`not ${text}`, () => assertRefused(SimpleType.STRUCT, text, "as a Struct: "));
  }
  await t.step("not one that no message could hold", () => {
    assertRefused(SimpleType.STRUCT, '{"a":'.repeat(170) + "1" + "}".repeat(170), "nested deeper");
    assertRefused(SimpleType.STRUCT, `{"a":${"[".repeat(170)}${"]".repeat(170)}}`, "nested deeper");
  });
});

Deno.test("a long text is cut where a message quotes it", () => {
  assert.throws(
    () => parsed(SimpleType.INTEGER, "x".repeat(1024)),
    (thrown: Error) => thrown.message.length < 250,
  );
});

Deno.test("a type without a name is refused", () => {
  assertRefused(99, "x", "type 99");
});
