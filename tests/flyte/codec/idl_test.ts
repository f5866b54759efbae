import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import {
  decode,
  decodedCost,
  decodeLiteral,
  decodeLiteralMap,
  decodeTypedInterface,
  type Documents,
  encode,
  encodeLiteralMap,
  MAX_NESTING,
} from "../../../src/flyte/codec/idl.ts";
import { messageJson } from "../../../src/flyte/text/proto_json.ts";
import {
  ErrorKind,
  ErrorOrigin,
  type Literal,
  type LiteralMap,
  type Primitive,
} from "../../../src/flyte/types.ts";
import {
  caseInputs,
  caseNames,
  caseText,
  list,
  literal,
  literalMap,
  primitive,
  scalar,
} from "../../support/flyte.ts";
import { seeded } from "../../support/plans.ts";

const SDK_INPUTS = ["sdk-inputs/inputs.pb", "sdk-inputs/flyte2/inputs.pb"];

function fromHex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

function assertInput(bytes: Uint8Array, message: RegExp, name: keyof Documents = "LiteralMap"): void {
  assert.throws(() => decode(name, bytes), (thrown: unknown) => {
    assert(thrown instanceof CopilotError);
    assert.equal(thrown.code, "input");
    assert.match(thrown.message, message);
    return true;
  });
}

/** Bytes with a tag and their length in front. */
function wrap(tag: number, bytes: Uint8Array): Uint8Array {
  const prefix = [tag];
  let length = bytes.length;
  for (; length > 127; length >>>= 7) prefix.push(length & 127 | 128);
  const out = new Uint8Array(prefix.length + 1 + bytes.length);
  out.set([...prefix, length]);
  out.set(bytes, prefix.length + 1);
  return out;
}

/** Tags from the inside out that put a Literal into a Literal. */
const NESTINGS: Record<string, number[]> = {
  list: [0x0a, 0x12],
  map: [0x12, 0x0a, 0x1a],
  union: [0x0a, 0x4a, 0x0a],
};

/** A LiteralMap of one variable that is nested `depth` times. */
function nested(depth: number, tags: number[]): Uint8Array {
  let bytes: Uint8Array = fromHex("0a04 0a02 0805");
  for (let level = 0; level < depth; level++) for (const tag of tags) bytes = wrap(tag, bytes);
  return wrap(0x0a, wrap(0x12, bytes));
}

Deno.test("recorded inputs are decoded and encoded to the same bytes", async (t) => {
  for (const { name, bytes, map } of caseInputs()) {
    await t.step(name, () => assert.deepEqual(encodeLiteralMap(map).toHex(), bytes.toHex()));
  }
  for (const path of SDK_INPUTS) {
    await t.step(path, () => {
      const bytes = Deno.readFileSync(new URL(`../../${path}`, import.meta.url));
      assert.equal(encodeLiteralMap(decodeLiteralMap(bytes)).toHex(), bytes.toHex());
    });
  }
});

Deno.test("recorded inputs hold what protobuf's own JSON says", async (t) => {
  for (const { name, map } of caseInputs()) {
    const wanted = caseText(name, "remote/in/inputs.json");
    if (wanted === undefined) continue;
    await t.step(name, () => assert.deepEqual(plain(messageJson("LiteralMap", map)), JSON.parse(wanted)));
  }
});

/** Maps as objects. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
}

Deno.test("recorded interfaces are decoded and encoded to the same bytes", () => {
  let count = 0;
  for (const name of caseNames("upload-")) {
    const text = caseText(name, "interface.b64")?.trim() ?? "";
    if (text === "" || name === "upload-bad-interface") continue;
    const bytes = Uint8Array.fromBase64(text);
    assert.equal(encode("TypedInterface", decodeTypedInterface(bytes)).toHex(), bytes.toHex(), name);
    count++;
  }
  assert(count > 30);
});

Deno.test("64-bit integers are exact", () => {
  for (const value of [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 1n << 32n, -(1n << 31n)]) {
    const bytes = encode("Literal", primitive({ case: "integer", value }));
    assert.deepEqual(decodeLiteral(bytes), primitive({ case: "integer", value }));
  }
  const sizeBytes = 2n ** 64n - 1n;
  const offloaded = literal({ case: "offloadedMetadata", value: { uri: "u", sizeBytes } });
  assert.deepEqual(decodeLiteral(encode("Literal", offloaded)), offloaded);
});

Deno.test("doubles are exact, the sign of zero and what is no number too", () => {
  for (const value of [-0, 0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308, 0.1]) {
    const read = decodeLiteral(encode("Literal", primitive({ case: "floatValue", value })));
    assert.deepEqual(read, primitive({ case: "floatValue", value }));
  }
});

Deno.test("a member of a oneof is written even when it is zero, other zeros are not", () => {
  assert.equal(encode("Literal", primitive({ case: "integer", value: 0n })).toHex(), "0a040a020800");
  assert.equal(encode("Literal", primitive({ case: "stringValue", value: "" })).toHex(), "0a040a021a00");
  assert.equal(encode("Literal", scalar({ case: "noneType", value: {} })).toHex(), "0a022a00");
  assert.equal(
    encode("Literal", scalar({ case: "binary", value: { value: new Uint8Array(), tag: "" } })).toHex(),
    "0a021a00",
  );
  assert.equal(
    encode("ErrorDocument", { error: { code: "", message: "", kind: 0, origin: 0 } }).toHex(),
    "0a00",
  );
  assert.equal(encode("ErrorDocument", {}).toHex(), "");
});

Deno.test("an error document has its fields in their places", () => {
  const error = { code: "C", message: "m", kind: ErrorKind.RECOVERABLE, origin: ErrorOrigin.USER };
  assert.equal(
    encode("ErrorDocument", { error }).toHex(),
    "0a0a 0a0143 12016d 1801 2001".replaceAll(" ", ""),
  );
  assert.deepEqual(decode("ErrorDocument", encode("ErrorDocument", { error })), { error });
});

Deno.test("the entries of a map keep their order, a key may be empty, the last of two wins", () => {
  const bytes = fromHex(
    "0a0b 0a0162 1206 0a04 0a02 0801  0a08 1206 0a04 0a02 0802  0a0b 0a0162 1206 0a04 0a02 0803",
  );
  const { literals } = decodeLiteralMap(bytes);
  const integer = (value: bigint) => primitive({ case: "integer", value });
  assert.deepEqual([...literals.keys()], ["b", ""]);
  const values = [...literals.values()].map(({ value, hash, metadata }) => ({ value, hash, metadata }));
  assert.deepEqual(values, [integer(3n), integer(2n)]);
});

Deno.test("an entry without a value holds an empty one", () => {
  assert.deepEqual([...decodeLiteralMap(fromHex("0a03 0a0178")).literals], [["x", {
    hash: "",
    metadata: new Map(),
  }]]);
});

Deno.test("unknown fields of every form are kept as they are", () => {
  const unknown = "5005 59 0102030405060708 6203616263 6d 01020304 73 0801 74".replaceAll(" ", "");
  const bytes = fromHex(`${unknown} 2201 68`);
  const read = decodeLiteral(bytes);
  assert.equal(read.hash, "h");
  assert.deepEqual(read.unknown!.map((raw) => raw.toHex()), [unknown]);
  assert.equal(encode("Literal", read).toHex(), `220168${unknown}`);
});

Deno.test("a known number with another wire type is an unknown field", () => {
  const read = decodeLiteral(fromHex("2005 220168"));
  assert.equal(read.hash, "h");
  assert.deepEqual(read.unknown!.map((raw) => raw.toHex()), ["2005"]);
});

Deno.test("artifact_id travels through as unknown bytes", () => {
  const bytes = fromHex("0a04 0a02 0805  4a03 0a0161");
  assert.equal(encode("Literal", decodeLiteral(bytes)).toHex(), bytes.toHex());
});

Deno.test("a message that comes in parts is merged, in a oneof only with its own kind", () => {
  const blob = decodeLiteral(fromHex("0a04 1202 0a00  0a05 1203 1a0178")).value;
  assert.deepEqual(blob, {
    case: "scalar",
    value: { value: { case: "blob", value: { metadata: {}, uri: "x" } } },
  });
  const replaced = decodeLiteral(fromHex("0a04 0a02 0805  1200")).value;
  assert.deepEqual(replaced, { case: "collection", value: { literals: [] } });
  const lists = decodeLiteral(fromHex("1202 0a00 1202 0a00")).value;
  assert(lists?.case === "collection");
  assert.equal(lists.value.literals.length, 2);
});

Deno.test("an enum's unknown number is kept", () => {
  const type = decode("VariableMap", fromHex("0a09 0a0178 1204 0a02 0863")).variables[0]?.value?.type;
  assert.deepEqual(type, { type: { case: "simple", value: 99 } });
});

Deno.test("bytes that are no message are refused with their place", async (t) => {
  const cases: [what: string, hex: string, message: RegExp][] = [
    ["a length without its bytes", "0a05 0a01", /^Cannot decode LiteralMap: the data ends .*of 4\)$/],
    ["a varint without an end", "0a80", /ends in the middle/],
    ["a field longer than its message", "0a03 0a05 6162636465", /longer than the message it is in/],
    ["text that is not UTF-8", "0a03 0a01ff", /not valid UTF-8/],
    ["half of a surrogate pair as UTF-8", "0a05 0a03 eda080", /not valid UTF-8/],
    ["field number 0", "00 01", /illegal tag/],
    ["wire type 6", "0e 00", /wire type 6/],
    ["the end of a group that never began", "0c", /wire type 4/],
    ["a group that ends with another's number", "1b 24", /end group/],
    ["groups in groups without end", "1b".repeat(10_000), /depth/],
    ["a tag of more than 32 bits", "ffffffffff01", /tag/],
    ["a varint of more than 64 bits", "0a0d 120b 0a09 0a07 08ff ffffffff ffffff", /./],
  ];
  for (const [what, hex, message] of cases) {
    await t.step(what, () => assertInput(fromHex(hex), message));
  }
  await t.step("each names the message it is about", () => {
    assertInput(fromHex("0aff"), /^Cannot decode TypedInterface: /, "TypedInterface");
  });
});

Deno.test("200 literals in literals are decoded and encoded, beyond the bound is an error and no stack overflow", async (t) => {
  for (const [kind, tags] of Object.entries(NESTINGS)) {
    await t.step(kind, () => {
      const written = encodeLiteralMap(decodeLiteralMap(nested(200, tags)));
      assert.equal(encodeLiteralMap(decodeLiteralMap(written)).toHex(), written.toHex());
      const deep = new RegExp(`^Cannot decode LiteralMap: nested deeper than ${MAX_NESTING} messages`);
      assertInput(nested(700, tags), deep);
      assertInput(nested(6000, tags), deep);
    });
  }
});

Deno.test("a message nested too deep is not encoded", () => {
  let deep: Literal = primitive({ case: "boolean", value: true });
  for (let level = 0; level < 50_000; level++) {
    deep = literal({ case: "collection", value: { literals: [deep] } });
  }
  assert.throws(
    () => encodeLiteralMap(literalMap({ deep })),
    /^CopilotError: Cannot encode LiteralMap: nested deeper/,
  );
});

Deno.test("half of a surrogate pair is not encoded", () => {
  const text = primitive({ case: "stringValue", value: "a\ud800" });
  assert.throws(
    () => encode("Literal", text),
    /^CopilotError: Cannot encode Literal: the text .* not valid Unicode/,
  );
});

const NAMES: (keyof Documents)[] = [
  "LiteralMap",
  "Literal",
  "TypedInterface",
  "VariableMap",
  "ErrorDocument",
];

/** Decodes; what is decoded is encoded and must be the same when decoded again. */
function assertStable(name: keyof Documents, bytes: Uint8Array): boolean {
  let read: Documents[keyof Documents];
  try {
    read = decode(name, bytes);
  } catch (thrown) {
    assert(thrown instanceof CopilotError, `${bytes.toHex()}: ${thrown}`);
    return false;
  }
  const written = encode(name, read as never);
  assert.deepEqual(encode(name, decode(name, written) as never).toHex(), written.toHex(), bytes.toHex());
  return true;
}

Deno.test("bytes at random throw nothing but a CopilotError, and what is decoded stays what it is", () => {
  const random = seeded(20260214);
  let decoded = 0;
  for (let round = 0; round < 6000; round++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 24) }, () => {
      // Small numbers are tags and lengths more often than chance would have it.
      return Math.floor(random() * (random() < 0.7 ? 32 : 256));
    });
    if (assertStable(NAMES[round % NAMES.length]!, bytes)) decoded++;
  }
  assert(decoded > 300, `only ${decoded} were decoded`);
});

Deno.test("recorded inputs with bytes changed, cut or doubled throw nothing but a CopilotError", () => {
  const random = seeded(7);
  let decoded = 0;
  for (const { bytes } of caseInputs()) {
    for (let round = 0; round < 40; round++) {
      const at = Math.floor(random() * bytes.length);
      const changed = random() < 0.3 ? bytes.slice(0, at) : bytes.slice();
      if (changed.length > at) changed[at] = Math.floor(random() * 256);
      if (assertStable("LiteralMap", changed)) decoded++;
    }
  }
  assert(decoded > 100, `only ${decoded} were decoded`);
});

Deno.test("views into the data are what bytes and unknown fields are, so that nothing is copied", () => {
  const bytes = fromHex("0a06 1a04 0a02 0102");
  const { value } = decodeLiteral(bytes);
  assert(value?.case === "scalar" && value.value.value?.case === "binary");
  assert.equal(value.value.value.value.value.buffer, bytes.buffer);
});

Deno.test("documents cost what decoding makes of them: one for a lone primitive and for an entry, more for the rest", () => {
  const seven = primitive({ case: "integer", value: 7n });
  const cost = (map: LiteralMap) => decodedCost("LiteralMap", encodeLiteralMap(map));
  assert.equal(cost({ literals: new Map() }), 0);
  assert.equal(cost({ literals: new Map([["a", seven], ["b", seven]]) }), 2 * (1 + 1));
  // An entry, a literal, the list, what is in it.
  assert.equal(cost({ literals: new Map([["l", list(seven, seven)]]) }), 1 + 1 + 2 + 2);
  const hashed = { ...seven, hash: "h", metadata: new Map([["k", "v"]]) };
  assert.equal(cost({ literals: new Map([["a", hashed]]) }), 1 + 1 + 2 + 3);
  const none = scalar({ case: "noneType", value: {} });
  assert.equal(cost({ literals: new Map([["a", none]]) }), 1 + 1 + 2);
  assert.equal(cost({ literals: new Map(), unknown: [fromHex("f801 01")] }), 3);
});

Deno.test("a literal in a list or a map is what it was when it was written, whatever stands beside its primitive", () => {
  const empty = scalar({ case: "primitive", value: {} });
  const values: Primitive["value"][] = [
    { case: "integer", value: -1n },
    { case: "floatValue", value: -0 },
    { case: "stringValue", value: "" },
    { case: "boolean", value: false },
    { case: "datetime", value: { seconds: 1n, nanos: 2 } },
    undefined,
  ];
  const plain = values.map((value): Literal => value === undefined ? empty : primitive(value));
  const unknown = [fromHex("f801 01")];
  const inner = { case: "primitive", value: { value: values[0]!, unknown } } as const;
  const more = [
    { ...plain[0]!, hash: "h" },
    { ...plain[0]!, metadata: new Map([["k", "v"]]) },
    { ...plain[0]!, unknown },
    { ...plain[0]!, value: { case: "scalar", value: { value: inner } } } as const,
  ];
  for (const literal of [...plain, ...more]) {
    const bytes = encodeLiteralMap({ literals: new Map([["l", list(literal)], ["m", literal]]) });
    const map = decodeLiteralMap(bytes);
    const { value, hash, metadata, unknown } = map.literals.get("m")!;
    assert.deepEqual({ value, hash, metadata, ...(unknown && { unknown }) }, literal);
    assert.equal(encodeLiteralMap(map).toHex(), bytes.toHex());
  }
});

Deno.test("counting the cost ends where the bytes are at fault, or nested too deep, and leaves it to the decoder to tell", () => {
  for (const bytes of [fromHex("0a ff"), fromHex("0a 05 0a"), fromHex("07"), nested(5000, [0x0a, 0x12])]) {
    assert(decodedCost("LiteralMap", bytes) >= 0);
    assert.throws(() => decodeLiteralMap(bytes));
  }
});
