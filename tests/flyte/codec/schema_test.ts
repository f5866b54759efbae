import assert from "assert";
import type protobuf from "protobufjs";
import { enumsIn, fullName, messagesIn, readProtos, schemaSource } from "../../../scripts/gen_schema.ts";

interface PublishedField {
  name: string;
  number: number;
  type: string;
  repeated: boolean;
  oneof: string | null;
}

interface Published {
  version: string;
  messages: Record<string, PublishedField[]>;
  enums: Record<string, Record<string, number>>;
}

const published: Published = JSON.parse(
  Deno.readTextFileSync(new URL("../../data/flyteidl2_descriptors.json", import.meta.url)),
);

/** Published fields that proto/ leaves out on purpose: copilot passes them on as unknown bytes. */
const LEFT_OUT = new Set([
  "flyteidl2.core.Literal.artifact_id",
  "flyteidl2.core.Variable.artifact_partial_id",
  "flyteidl2.core.Variable.artifact_tag",
]);
/** Messages that proto/ has only for an enum inside. */
const ONLY_NESTED = new Set(["flyteidl2.core.ExecutionError"]);

const protos = readProtos();
const core = protos.lookup("flyteidl2.core") as protobuf.Namespace;

/** One of our fields in the form of the published ones; a map's type is the entry that protobuf makes of it. */
function ours(field: protobuf.Field): PublishedField {
  const message = fullName(field.parent!);
  const entry = field.name.replace(
    /(?:^|_)(\w)/g,
    (_: string, letter: string) => letter.toUpperCase(),
  );
  const type = field.resolvedType === null ? field.type : fullName(field.resolvedType);
  return {
    name: field.name,
    number: field.id,
    type: field.map ? `${message}.${entry}Entry` : type,
    repeated: field.repeated || field.map,
    oneof: field.partOf?.name ?? null,
  };
}

Deno.test("proto/ has the fields of the published descriptors, each with its number, type, label and oneof", async (t) => {
  for (const message of messagesIn(core)) {
    const name = fullName(message);
    await t.step(name, () => {
      const all = published.messages[name];
      assert(all !== undefined, `flyteidl2 ${published.version} has no message ${name}`);
      const wanted = ONLY_NESTED.has(name)
        ? []
        : all.filter((field) => !LEFT_OUT.has(`${name}.${field.name}`));
      const fields = message.fieldsArray.map(ours).sort((a, b) => a.number - b.number);
      assert.deepEqual(fields, wanted);
    });
  }
});

Deno.test("a map of proto/ has the published key and value", () => {
  for (const message of messagesIn(core)) {
    for (const field of message.fieldsArray) {
      if (!field.map) continue;
      const value = field.resolvedType === null ? field.type : fullName(field.resolvedType);
      const entry = published.messages[ours(field).type]!.map((
        { name, number, type },
      ) => [name, number, type]);
      assert.deepEqual(entry, [["key", 1, "string"], ["value", 2, value]]);
    }
  }
});

Deno.test("proto/ has the values of the published enums", () => {
  const enums = Object.fromEntries(enumsIn(core).map((each) => [fullName(each), { ...each.values }]));
  assert.deepEqual(enums, published.enums);
});

Deno.test("proto/ has every published message, except the entries of maps", () => {
  const names = new Set(messagesIn(core).map(fullName));
  const missing = Object.keys(published.messages).filter((name) =>
    !names.has(name) && !name.endsWith("Entry")
  );
  assert.deepEqual(missing, []);
});

Deno.test("what is left out is published", () => {
  for (const path of LEFT_OUT) {
    const at = path.lastIndexOf(".");
    const fields = published.messages[path.slice(0, at)]!;
    assert(fields.some(({ name }) => name === path.slice(at + 1)), path);
  }
});

Deno.test("src/flyte/codec/schema.ts is what scripts/gen_schema.ts makes of proto/", () => {
  const written = Deno.readTextFileSync(new URL("../../../src/flyte/codec/schema.ts", import.meta.url));
  assert.equal(written, schemaSource());
});
