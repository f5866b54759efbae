import assert from "assert";
import { planDownload } from "../../../src/flyte/plan/plan_download.ts";
import { planUpload } from "../../../src/flyte/plan/plan_upload.ts";
import type { Literal, LiteralType, StructValue } from "../../../src/flyte/types.ts";
import { SimpleType } from "../../../src/flyte/types.ts";
import {
  carryOut,
  INTEGER,
  list,
  listType,
  literalMap,
  map,
  mapType,
  MemoryTree,
  NONE,
  none,
  outputs,
  pick,
  primitive,
  scalar,
  seeded,
  simple,
  text,
  union,
  unionType,
} from "../../support/plans.ts";

type Random = () => number;
type Typed = [literal: Literal, type: LiteralType];

const KEYS = [
  "a",
  "b c",
  "k.txt",
  "0",
  "01",
  "größe",
  ".hidden",
  "100%",
  "a#b?c",
  "..x",
  "__proto__",
  "constructor",
];
const STRINGS = ["", "x", "a  b\n c", "<&>", "dos\r", "žluť 🐎", "null", "1", "\u2028", "x".repeat(1024)];
const INTEGERS = [0n, -1n, 42n, 9223372036854775807n, -9223372036854775808n];
const FLOATS = [0, -0, 0.1, 1e20, 1e21, -1e300, 5e-324, 123456789012345680000, NaN, Infinity, -Infinity];

const MAKERS: ((random: Random) => Typed)[] = [
  (random) => [primitive({ case: "integer", value: pick(random, INTEGERS) }), INTEGER],
  (random) => [primitive({ case: "floatValue", value: pick(random, FLOATS) }), simple(SimpleType.FLOAT)],
  (random) => [text(pick(random, STRINGS)), simple(SimpleType.STRING)],
  (random) => [primitive({ case: "boolean", value: random() < 0.5 }), simple(SimpleType.BOOLEAN)],
  (random) => [
    primitive({
      case: "datetime",
      value: {
        seconds: BigInt(Math.floor(random() * 4e9) - 2e9),
        nanos: pick(random, [0, 1, 500_000_000, 999_999_999]),
      },
    }),
    simple(SimpleType.DATETIME),
  ],
  (random) => {
    const sign = random() < 0.5 ? -1 : 1;
    const seconds = BigInt(sign * Math.floor(random() * 1e6));
    const nanos = 0 + sign * pick(random, [0, 7, 1500, 300_000_000]);
    return [primitive({ case: "duration", value: { seconds, nanos } }), simple(SimpleType.DURATION)];
  },
  (random) => {
    const value = Uint8Array.from([
      0x81,
      ...Array.from({ length: 20 }, () => Math.floor(random() * 256)),
      0xff,
    ]);
    return [scalar({ case: "binary", value: { value, tag: "msgpack" } }), simple(SimpleType.BINARY)];
  },
  (random) => [
    scalar({ case: "error", value: { failedNodeId: "", message: pick(random, STRINGS) } }),
    simple(SimpleType.ERROR),
  ],
  (random) => {
    const fields = new Map([...KEYS].sort().map((key) => [key, structValue(random, 0)] as const));
    return [scalar({ case: "generic", value: { fields } }), simple(SimpleType.STRUCT)];
  },
  () => [none(), NONE],
];

function structValue(random: Random, depth: number): StructValue {
  const kind = Math.floor(random() * (depth > 1 ? 4 : 6));
  if (kind === 0) return { kind: { case: "nullValue", value: 0 } };
  if (kind === 1) return { kind: { case: "numberValue", value: pick(random, [0, 1.5, -7, 1e100]) } };
  if (kind === 2) return { kind: { case: "stringValue", value: pick(random, STRINGS.slice(0, 6)) } };
  if (kind === 3) return { kind: { case: "boolValue", value: random() < 0.5 } };
  const value = structValue(random, depth + 1);
  if (kind === 4) return { kind: { case: "listValue", value: { values: [value, value] } } };
  return { kind: { case: "structValue", value: { fields: new Map([["k", value]]) } } };
}

/** A literal and its type. Lists and maps have elements of one type each, as interfaces declare them. */
function typed(random: Random, depth: number): Typed {
  const kind = random() * (depth > 3 ? 1 : 4);
  if (kind < 1) return pick(random, MAKERS)(random);
  if (kind < 1.7) {
    const [literal, type] = typed(random, depth + 1);
    return [list(...Array.from({ length: Math.floor(random() * 13) }, () => literal)), listType(type)];
  }
  if (kind < 2.4) {
    const [literal, type] = typed(random, depth + 1);
    const keys = KEYS.filter(() => random() < 0.3).sort();
    return [map(Object.fromEntries(keys.map((key) => [key, literal]))), mapType(type)];
  }
  if (kind < 3) {
    const [literal, type] = typed(random, depth + 1);
    return [union(literal, type), unionType(type, NONE, simple(SimpleType.STRING))];
  }
  return random() < 0.5 ? [union(none(), NONE), unionType(INTEGER, NONE)] : [
    union(text("word"), simple(SimpleType.STRING)),
    unionType(INTEGER, listType(INTEGER), simple(SimpleType.STRING)),
  ];
}

Deno.test("what download lays out, upload reads back", () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const random = seeded(seed);
    const variables = KEYS.filter(() => random() < 0.4).map((name) => [name, typed(random, 0)] as const);
    const message = literalMap(Object.fromEntries(variables.map(([name, [literal]]) => [name, literal])));
    const types = Object.fromEntries(variables.map(([name, [, type]]) => [name, type]));
    const plan = planDownload(message, {
      root: "/in",
      layout: "DIRECT",
      mode: "DOWNLOAD_EAGER",
      reserved: [],
    });
    const tree = new MemoryTree(carryOut(plan, "/in"));
    const back = planUpload(outputs(types), tree, { rawPrefix: "s3://b/raw", mode: "UPLOAD_ON_EXIT" });
    assert.deepEqual(back, { outputs: message, uploads: [] }, `seed ${seed}`);
    assert.equal(plan.local.literals.size, message.literals.size);
  }
});
