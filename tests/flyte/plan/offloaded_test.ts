import assert from "assert";
import { offloadedIn, resolveOffloaded } from "../../../src/flyte/plan/offloaded.ts";
import type { Literal, LiteralType } from "../../../src/flyte/types.ts";
import { SimpleType } from "../../../src/flyte/types.ts";
import {
  blob,
  FILE,
  INTEGER,
  integer,
  list,
  listType,
  literalMap,
  map,
  mapType,
  NONE,
  none,
  offloaded,
  scalar,
  simple,
  STRING,
  text,
  union,
  unionType,
} from "../../support/plans.ts";

Deno.test("offloaded literals are found wherever they occur, in the message's order", () => {
  const message = literalMap({
    top: offloaded("s3://b/0", { sizeBytes: 7n }),
    l: list(integer(1), offloaded("s3://b/1"), list(map({ "a b": offloaded("s3://b/2") }))),
    u: union(offloaded("s3://b/3"), INTEGER),
    uu: union(union(list(offloaded("s3://b/4")), INTEGER), INTEGER),
    n: none(),
  });
  assert.deepEqual(offloadedIn(message).map(({ variable, uri, sizeBytes }) => [variable, uri, sizeBytes]), [
    ["top", "s3://b/0", 7n],
    ["l[1]", "s3://b/1", 0n],
    ['l[2][0]["a b"]', "s3://b/2", 0n],
    ["u", "s3://b/3", 0n],
    ["uu[0]", "s3://b/4", 0n],
  ]);
  assert.deepEqual(offloadedIn(literalMap({})), []);
});

Deno.test("a resolved literal takes the place of its reference in the message", () => {
  const message = literalMap({ l: list(integer(1), offloaded("s3://b/k", { inferredType: INTEGER })) });
  for (const ref of offloadedIn(message)) resolveOffloaded(ref, integer(2), 6);
  assert.deepEqual(message, literalMap({ l: list(integer(1), integer(2)) }));
  assert.deepEqual(offloadedIn(message), []);
});

Deno.test("what was fetched may hold further references, found by looking again", () => {
  const message = literalMap({ v: offloaded("s3://b/1") });
  resolveOffloaded(offloadedIn(message)[0]!, list(offloaded("s3://b/2")), 9);
  const [second] = offloadedIn(message);
  assert.equal(second?.variable, "v[0]");
  resolveOffloaded(second!, text("end"), 9);
  assert.deepEqual(message, literalMap({ v: list(text("end")) }));
});

Deno.test("hash and metadata of the reference stay unless the fetched literal has its own", () => {
  const reference: Literal = {
    ...offloaded("s3://b/k"),
    hash: "outer",
    metadata: new Map([["a", "outer"], ["b", "outer"]]),
    unknown: [Uint8Array.of(1)],
  };
  const keep = literalMap({ v: structuredClone(reference) });
  resolveOffloaded(offloadedIn(keep)[0]!, integer(1), 6);
  assert.deepEqual(keep.literals.get("v"), { ...reference, value: integer(1).value });

  const replace = literalMap({ v: structuredClone(reference) });
  const inner = {
    ...integer(1),
    hash: "inner",
    metadata: new Map([["a", "inner"]]),
    unknown: [Uint8Array.of(2)],
  };
  resolveOffloaded(offloadedIn(replace)[0]!, inner, 6);
  assert.deepEqual(replace.literals.get("v"), {
    value: inner.value,
    hash: "inner",
    metadata: new Map([["a", "inner"], ["b", "outer"]]),
    unknown: [Uint8Array.of(1), Uint8Array.of(2)],
  });
});

Deno.test("size_bytes is an upper bound; 0 means unknown", async (t) => {
  const cases: [declared: bigint, fetched: number, accepted: boolean][] = [
    [0n, 1_000_000, true],
    [99n, 26, true],
    [99n, 99, true],
    [99n, 100, false],
  ];
  for (const [sizeBytes, fetched, accepted] of cases) {
    await t.step(`${fetched} of ${sizeBytes}`, () => {
      const [ref] = offloadedIn(literalMap({ "my var": offloaded("s3://b/k", { sizeBytes }) }));
      const resolve = () => resolveOffloaded(ref!, integer(1), fetched);
      if (accepted) return resolve();
      assert.throws(resolve, { code: "integrity", message: /"my var".*"s3:\/\/b\/k".*100 bytes.*99/ });
    });
  }
});

Deno.test("an offloaded literal that is empty or has no URI is refused", () => {
  const [ref] = offloadedIn(literalMap({ v: offloaded("s3://b/k") }));
  assert.throws(() => resolveOffloaded(ref!, { hash: "", metadata: new Map() }, 0), {
    code: "input",
    message: /v: .*"s3:\/\/b\/k".*no literal/,
  });
  assert.throws(() => offloadedIn(literalMap({ v: offloaded("") })), {
    code: "input",
    message: /v: .*no URI/,
  });
});

Deno.test("inferred_type refuses only what is plainly another thing", async (t) => {
  const struct = simple(SimpleType.STRUCT);
  const cases: [name: string, literal: Literal, type: LiteralType, accepted: boolean][] = [
    ["integer", integer(1), INTEGER, true],
    ["string for integer", text("1"), INTEGER, false],
    ["list", list(integer(1)), listType(INTEGER), true],
    ["list of something else: not looked into", list(text("x")), listType(INTEGER), true],
    ["list for integer", list(integer(1)), INTEGER, false],
    ["integer for list", integer(1), listType(INTEGER), false],
    ["map for list", map({}), listType(INTEGER), false],
    ["map", map({}), mapType(INTEGER), true],
    ["empty list, none for some control planes", list(), NONE, true],
    ["union for its value's type", union(blob("u"), FILE), FILE, true],
    ["value for union", integer(1), unionType(STRING, INTEGER), true],
    ["value for another union", integer(1), unionType(STRING, FILE), false],
    ["union for union", union(integer(1), INTEGER), unionType(INTEGER), true],
    ["string for enum", text("a"), { type: { case: "enumType", value: { values: ["a"] } } }, true],
    ["integer for enum", integer(1), { type: { case: "enumType", value: { values: ["a"] } } }, false],
    [
      "msgpack for struct",
      scalar({ case: "binary", value: { value: new Uint8Array(1), tag: "msgpack" } }),
      struct,
      true,
    ],
    ["none", none(), NONE, true],
    ["blob for string", blob("u"), STRING, false],
    ["a further reference", offloaded("s3://b/2"), INTEGER, true],
    ["unset type", integer(1), {}, true],
  ];
  for (const [name, literal, inferredType, accepted] of cases) {
    await t.step(name, () => {
      const [ref] = offloadedIn(literalMap({ v: offloaded("s3://b/k", { inferredType }) }));
      const resolve = () => resolveOffloaded(ref!, literal, 6);
      if (accepted) resolve();
      else assert.throws(resolve, { code: "input", message: /v: .*"s3:\/\/b\/k".*another type/ });
    });
  }
});
