import assert from "assert";
import { parse } from "yaml";
import { encode, encodeParts } from "../../../src/flyte/codec/idl.ts";
import { structJson, writeJson } from "../../../src/flyte/text/go_json.ts";
import { bytesOf, pieces, type TextSink, writeText } from "../../../src/flyte/text/text_bytes.ts";
import { writeYaml } from "../../../src/flyte/text/yaml_text.ts";
import { literalMap, text } from "../../support/plans.ts";

/** Characters that a part may have: a piece of 2,048, each as long as an escape. */
const MAX_PART = 2048 * 6;

/** Joins parts, and fails on a long one. */
class Parts implements TextSink {
  text = "";

  push(...parts: string[]): void {
    for (const part of parts) {
      assert(part.length <= MAX_PART, `a part of ${part.length} characters is in memory at once`);
      this.text += part;
    }
  }
}

const LONG: Record<string, string> = {
  "what HTML escapes": "<".repeat(200_000),
  "controls": "\x01".repeat(200_000),
  "quotes": `"'\\`.repeat(70_000),
  "lines": "a\n".repeat(100_000),
  "blank lines": "\n".repeat(200_000) + "x",
  "surrogate pairs that no piece may divide": "x" + "😀".repeat(100_000),
  "separators of lines": "\u2028".repeat(200_000),
};

for (const [what, long] of Object.entries(LONG)) {
  Deno.test(`a long text of ${what} is written in short parts`, () => {
    for (const value of [long, new Map([[long, "x"]])]) {
      const [json, yaml] = [new Parts(), new Parts()];
      writeJson(value, json);
      // A line of a block, and a text without quotes, are written as they are.
      writeYaml(value, yaml);
      const plain = typeof value === "string" ? value : { [long]: "x" };
      assert.deepEqual(JSON.parse(json.text), plain);
      assert.deepEqual(parse(yaml.text), plain);
    }
  });
}

Deno.test("a Struct's long keys are not copied into what its values are called", () => {
  const out = new Parts();
  const key = "<".repeat(100_000);
  writeJson(
    structJson({ fields: new Map([[key, { kind: { case: "stringValue", value: "x" } }]]) }, () => {
      throw new Error("nothing is to be told");
    }),
    out,
  );
  assert.deepEqual(JSON.parse(out.text), { [key]: "x" });
});

Deno.test("a text in pieces is the text, and halves of surrogate pairs stay what they are", () => {
  for (const long of [...Object.values(LONG), "", "\ud83d".repeat(5000), "\udc00".repeat(5000)]) {
    assert.equal([...pieces(long)].join(""), long);
    assert.deepEqual(bytesOf((write) => writeText(long, write)), new TextEncoder().encode(long));
  }
});

Deno.test("a message in parts is the message, and long texts in it are not copied into one", () => {
  for (const length of [0, 100, 300, 70_000, 300_000, 1_000_000]) {
    const map = literalMap({ a: text("x".repeat(length)), b: text("y"), c: text("z".repeat(length)) });
    const parts = encodeParts("LiteralMap", map);
    const whole = encode("LiteralMap", map);
    assert.deepEqual(bytesOf((write) => parts.forEach(write)), whole);
    if (length >= 70_000) assert(parts.filter((part) => part.length === length).length === 2);
  }
});
