import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import { parse } from "yaml";
import { inputsJson, inputsYaml } from "../../../src/flyte/text/documents.ts";
import type { Json } from "../../../src/flyte/text/go_json.ts";
import { decodeLiteralMap } from "../../../src/flyte/codec/idl.ts";
import type { Literal, LiteralMap } from "../../../src/flyte/types.ts";
import { yamlText } from "../../../src/flyte/text/yaml_text.ts";
import {
  caseInputs,
  caseText,
  list,
  literal,
  literalMap,
  map,
  primitive,
  scalar,
} from "../../support/flyte.ts";
import { seeded } from "../../support/plans.ts";
import { bytesOf } from "../../../src/flyte/text/text_bytes.ts";

const decoder = new TextDecoder();
const LOCAL = "/outputs";

function json(entries: Record<string, Literal>): string {
  return decoder.decode(bytesOf(inputsJson(literalMap(entries))));
}

function yaml(entries: Record<string, Literal>): string {
  return decoder.decode(bytesOf(inputsYaml(literalMap(entries))));
}

function text(value: string): Literal {
  return primitive({ case: "stringValue", value });
}

function float(value: number): Literal {
  return primitive({ case: "floatValue", value });
}

function time(seconds: bigint): Literal {
  return primitive({ case: "datetime", value: { seconds, nanos: 0 } });
}

/** Puts the paths that a download gives to blobs, where the layout is DIRECT. */
function localize(map: LiteralMap): void {
  for (const [name, literal] of map.literals) localizeLiteral(literal, `${LOCAL}/${name}`);
}

function localizeLiteral({ value }: Literal, path: string): void {
  if (value?.case === "collection") {
    value.value.literals.forEach((item, at) => localizeLiteral(item, `${path}/${at}`));
  }
  if (value?.case === "map") {
    for (const [key, item] of value.value.literals) localizeLiteral(item, `${path}/${key}`);
  }
  if (value?.case !== "scalar") return;
  const scalar = value.value.value;
  if (scalar?.case === "union") localizeLiteral(scalar.value.value!, path);
  if (scalar?.case === "blob" || scalar?.case === "schema" || scalar?.case === "structuredDataset") {
    scalar.value.uri = path;
  }
}

Deno.test("recorded downloads have the recorded inputs.json and inputs.yaml, byte for byte", async (t) => {
  // Their documents depend on more than the literals: names of files, and objects that are fetched first.
  const apart = new Set(["download-named-dir", "download-offloaded", "download-offloaded-in-list"]);
  let count = 0;
  for (const { name, bytes } of caseInputs()) {
    for (const [file, make] of [["inputs.json", inputsJson], ["inputs.yaml", inputsYaml]] as const) {
      const wanted = caseText(name, `expect/${file}`);
      if (wanted === undefined || apart.has(name)) continue;
      count++;
      await t.step(`${name} ${file}`, () => {
        const map = decodeLiteralMap(bytes);
        localize(map);
        assert.equal(decoder.decode(bytesOf(make(map))), wanted.replaceAll("{{LOCAL}}", LOCAL));
      });
    }
  }
  assert(count > 20);
});

Deno.test("inputs.json is one line with sorted keys and no newline", () => {
  assert.equal(json({}), "{}");
  const entries = {
    b: text("1"),
    "": text("2"),
    "\u{1f40e}": text("3"),
    "\uff5e": text("4"),
    a: list(),
    m: map({}),
  };
  assert.equal(json(entries), '{"":"2","a":[],"b":"1","m":{},"\uff5e":"4","\u{1f40e}":"3"}');
});

Deno.test("numbers are Go's in JSON and in YAML", async (t) => {
  const cases: [value: number, json: string, yaml: string][] = [
    [1, "1", "1"],
    [0.1, "0.1", "0.1"],
    [1e20, "100000000000000000000", "1e+20"],
    [1e21, "1e+21", "1e+21"],
    [123456789012345680000, "123456789012345680000", "1.2345678901234568e+20"],
    [1e300, "1e+300", "1e+300"],
    [1e-6, "0.000001", "1e-06"],
    [1e-7, "1e-7", "1e-07"],
    [-0, "-0", "0"],
    [1234567.5, "1234567.5", "1.2345675e+06"],
    [1e19, "10000000000000000000", "10000000000000000000"],
    [2 ** 64, "18446744073709552000", "1.8446744073709552e+19"],
    [-(2 ** 63), "-9223372036854776000", "-9.223372036854776e+18"],
  ];
  for (const [value, inJson, inYaml] of cases) {
    await t.step(String(value), () => {
      assert.equal(json({ x: float(value) }), `{"x":${inJson}}`);
      assert.equal(yaml({ x: float(value) }), `x: ${inYaml}\n`);
    });
  }
});

Deno.test("integers are exact, durations are nanoseconds, binary is base64, an empty one null", () => {
  const integer = primitive({ case: "integer", value: -9223372036854775808n });
  const duration = primitive({ case: "duration", value: { seconds: -90n, nanos: -250_000_000 } });
  const binary = (...bytes: number[]) =>
    scalar({ case: "binary", value: { value: Uint8Array.from(bytes), tag: "" } });
  const entries = { a: integer, b: duration, c: binary(0, 255), d: binary() };
  assert.equal(json(entries), '{"a":-9223372036854775808,"b":-90250000000,"c":"AP8=","d":null}');
  assert.equal(yaml(entries), "a: -9223372036854775808\nb: -90250000000\nc: AP8=\nd: null\n");
});

Deno.test("a union is its value, whatever has a URI is its URI", () => {
  const union = scalar({ case: "union", value: { value: list(text("x")) } });
  const entries = {
    a: union,
    b: scalar({ case: "blob", value: { uri: "/l/b" } }),
    c: scalar({ case: "schema", value: { uri: "/l/c" } }),
    d: scalar({ case: "structuredDataset", value: { uri: "/l/d" } }),
    e: scalar({ case: "noneType", value: {} }),
  };
  assert.equal(json(entries), '{"a":["x"],"b":"/l/b","c":"/l/c","d":"/l/d","e":null}');
});

Deno.test("what JSON cannot hold is an error that names the place", async (t) => {
  const struct = { fields: new Map([["k", { kind: { case: "numberValue" as const, value: NaN } }]]) };
  const cases: [what: string, literal: Literal, message: RegExp][] = [
    ["+Inf", float(Infinity), /variable x as JSON: json: unsupported value: \+Inf/],
    ["-Inf", list(float(1), float(-Infinity)), /variable x\[1\] as JSON: json: unsupported value: -Inf/],
    [
      "NaN in a Struct",
      scalar({ case: "generic", value: struct }),
      /x\.k as JSON: json: unsupported value: NaN/,
    ],
    [
      "year 10000",
      map({ k: time(253402300800n) }),
      /variable x\.k: Time\.MarshalJSON: year outside of range \[0,9999\]/,
    ],
    ["year -1", time(-62167219201n), /year outside of range/],
    ["no value", { hash: "", metadata: new Map() }, /variable x: it holds no value/],
    ["a scalar without a value", literal({ case: "scalar", value: {} }), /scalar without a value/],
    ["a union without a value", scalar({ case: "union", value: {} }), /union without a value/],
    [
      "an offloaded literal",
      literal({ case: "offloadedMetadata", value: { uri: "s3://b/k", sizeBytes: 1n } }),
      /still a reference to an offloaded literal/,
    ],
  ];
  for (const [what, x, message] of cases) {
    await t.step(what, () => {
      for (const make of [inputsJson, inputsYaml]) {
        assert.throws(() => bytesOf(make(literalMap({ x }))), (thrown: unknown) => {
          assert(thrown instanceof CopilotError && thrown.code === "input");
          assert.match(thrown.message, message);
          return true;
        });
      }
    });
  }
  await t.step("but not the years 0 and 9999", () => {
    assert.equal(json({ x: time(-62167219200n) }), '{"x":"0000-01-01T00:00:00Z"}');
    assert.equal(json({ x: time(253402300799n) }), '{"x":"9999-12-31T23:59:59Z"}');
  });
});

Deno.test("YAML stands as Go writes it", async (t) => {
  const cases: [entries: Record<string, Literal>, yaml: string][] = [
    [{}, "{}\n"],
    [
      { l: list(text("a"), list(text("b"), list()), map({ k: text("c"), z: map({}) })) },
      "l:\n- a\n- - b\n  - []\n- k: c\n  z: {}\n",
    ],
    [{ m: map({ k: map({ j: list(text("x")) }) }) }, "m:\n  k:\n    j:\n    - x\n"],
    [{ n: text(""), y: text("n") }, '"n": ""\n"y": "n"\n'],
    [{ a: text("a: b # c"), b: text("it's"), c: text("'q'") }, "a: 'a: b # c'\nb: it's\nc: '''q'''\n"],
    [
      { a: text("x\ny"), b: text("x\n"), c: text("x\n\n"), d: text("z") },
      "a: |-\n  x\n  y\nb: |\n  x\nc: |+\n  x\n\nd: z\n",
    ],
    [{ a: list(text("x\n")) }, "a:\n- |\n  x\n"],
    [{ a: text(" x\ny"), b: text("x \ny"), c: text("\n") }, 'a: " x\\ny"\nb: "x \\ny"\nc: "\\n"\n'],
    [
      { a: text('\u007f\u0085\u2028\ufeff\u0000\u001b\r\t"\\') },
      'a: "\\x7F\\x85\\u2028\\uFEFF\\0\\x1B\\r\\t\\"\\\\"\n',
    ],
    [{ a: text("\u{1f40e} né") }, "a: \u{1f40e} né\n"],
    [{ "a b": text("x"), "a:": text("v"), "a\nb": text("z") }, `"a\\nb": z\na b: x\n'a:': v\n`],
    [{ ["k".repeat(200)]: list(text("x")) }, `? ${"k".repeat(200)}\n:\n- x\n`],
    [{ ["k".repeat(200)]: map({ x: text("v") }) }, `? ${"k".repeat(200)}\n:\n  x: v\n`],
    [{ ["k".repeat(200)]: text("x") }, `? ${"k".repeat(200)}\n: x\n`],
  ];
  for (const [entries, wanted] of cases) {
    await t.step(JSON.stringify(wanted).slice(0, 60), () => assert.equal(yaml(entries), wanted));
  }
});

Deno.test("a text that YAML 1.1 or 1.2 could take for something else stands in double quotes, as key and as value", () => {
  const ambiguous = [
    ..."~ null Null NULL true True yes Yes YES no on off y Y n N << = .inf -.INF +.inf .nan .NaN".split(" "),
    ..."012 0o14 0x1F 0b101 1_000 +1 -1 1e5 1E5 1e+5 1.5 .5 5. -.5 1.5e3 12:30 12:30:45 190:20:30.15 1:0"
      .split(" "),
    ..."2020-01-01 2020-1-1 2020-01-01T00:00:00Z".split(" "),
    "2020-01-01 00:00:00",
    "",
  ];
  for (const each of ambiguous) {
    assert.equal(yaml({ [each]: text(each) }), `"${each}": "${each}"\n`);
  }
});

Deno.test("a text that starts or looks like syntax stands in single quotes", () => {
  const special = [
    "- x",
    "? x",
    ": x",
    "#x",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "%x",
    "@x",
    "`x",
    "[x]",
    "{x}",
    ",x",
    '"x',
    "---",
    "...",
    "-",
    " x",
    "x ",
    "x:",
    "x: y",
    "x #y",
    "a\tb",
  ];
  for (const each of special) assert.equal(yaml({ k: text(each) }), `k: '${each}'\n`);
  const plain = [
    "-x",
    "?x",
    ":x",
    "x#y",
    "x:y",
    "a-b",
    "/outputs/x",
    "<b>",
    "(x)",
    "$x",
    "^",
    "1.2.3",
    "v1",
    "x, y",
  ];
  for (const each of plain) assert.equal(yaml({ k: text(each) }), `k: ${each}\n`);
});

/** A document with texts made to be misread. */
function randomDocument(random: () => number, depth: number): Json {
  const pieces = [
    "a",
    "n",
    "yes",
    "012",
    "1e5",
    "2020-01-01",
    ":",
    " ",
    "#",
    "'",
    '"',
    "\\",
    "\n",
    "\t",
    "-",
    "?",
    "*",
    "&",
    "!",
    "|",
    ">",
    "{",
    "[",
    "]",
    ",",
    "~",
    "é",
    "\u{1f40e}",
    "\u2028",
    "\u0085",
    "\r",
    "0x1F",
    ".5",
    "word word",
  ];
  const pick = (count: number) => Math.floor(random() * count);
  const randomText = () => Array.from({ length: pick(6) }, () => pieces[pick(pieces.length)]).join("");
  const kind = random();
  if (depth === 0 || (depth < 4 && kind < 0.25)) {
    return new Map(Array.from({ length: pick(5) }, () => [randomText(), randomDocument(random, depth + 1)]));
  }
  if (depth < 4 && kind < 0.45) {
    return Array.from({ length: pick(4) }, () => randomDocument(random, depth + 1));
  }
  if (kind < 0.85) return randomText();
  if (kind < 0.9) return null;
  return kind < 0.95 ? random() < 0.5 : pick(1e6) / 64;
}

function plain(value: Json): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
}

Deno.test("a reader of YAML 1.1 and one of 1.2 get back what was written", () => {
  const random = seeded(11);
  for (let round = 0; round < 1500; round++) {
    const document = randomDocument(random, 0);
    const written = yamlText(document);
    for (const version of ["1.1", "1.2"] as const) {
      assert.deepEqual(
        parse(written, { version, uniqueKeys: false }),
        plain(document),
        `${version}: ${written}`,
      );
    }
  }
});

Deno.test("literals nested as deep as can be decoded are written", () => {
  let deep = text("x");
  for (let level = 0; level < 200; level++) deep = level % 2 === 0 ? list(deep) : map({ k: deep });
  assert(json({ deep }).includes('"x"'));
  assert(yaml({ deep }).includes("x\n"));
});

Deno.test("a dot or an exponent alone, which a reader of YAML 1.1 takes for a number that is none, stands in quotes", () => {
  for (const text of [".", "-.", "+.", "._", ".e1", "e1", "e-0", "-E+9"]) {
    for (const value of [text, new Map([[text, "x"]])]) {
      const plain = typeof value === "string" ? value : { [text]: "x" };
      for (const version of ["1.1", "1.2"] as const) {
        assert.deepEqual(parse(yamlText(value), { version }), plain, yamlText(value));
      }
    }
  }
});
