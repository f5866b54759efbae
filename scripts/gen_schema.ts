/**
 * Writes src/flyte/codec/schema.ts, the tables of the codec, from the .proto files in proto/.
 *
 * `deno run -A scripts/gen_schema.ts` writes it, with `--check` it only says whether the file is up to date.
 * @module
 */
import protobuf from "protobufjs";

const CORE = "flyteidl2.core.";
const GOOGLE = "google.protobuf.";
const TARGET = new URL("../src/flyte/schema.ts", import.meta.url);
const PROTO = new URL("../proto/flyteidl2/core/", import.meta.url);
const FILES = ["literals.proto", "types.proto", "interface.proto", "execution.proto", "tasks.proto"];
const ROOTS = ["LiteralMap", "VariableMap", "TypedInterface", "ErrorDocument"];

/** The messages and enums of proto/, resolved, with Google's own types beside them. */
export function readProtos(): protobuf.Root {
  const root = new protobuf.Root();
  for (const name of ["struct", "timestamp", "duration"]) {
    const { nested } = protobuf.common.get(`google/protobuf/${name}.proto`)!;
    if (nested !== undefined) root.addJSON(nested);
  }
  for (const file of FILES) {
    protobuf.parse(Deno.readTextFileSync(new URL(file, PROTO)), root, { keepCase: true });
  }
  root.resolveAll();
  return root;
}

/** Every message below a namespace, depth first in the order of the file. */
export function messagesIn(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof protobuf.Type) return [nested, ...messagesIn(nested)];
    return nested instanceof protobuf.Namespace ? messagesIn(nested) : [];
  });
}

/** Every enum below a namespace. */
export function enumsIn(namespace: protobuf.NamespaceBase): protobuf.Enum[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof protobuf.Enum) return [nested];
    return nested instanceof protobuf.Namespace ? enumsIn(nested) : [];
  });
}

/** Full name without the leading dot. */
export function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, "");
}

function shortName(object: protobuf.ReflectionObject): string {
  const name = fullName(object);
  return name.startsWith(CORE) ? name.slice(CORE.length) : name.slice(GOOGLE.length);
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `A.B` must be quoted as a key. */
function key(name: string): string {
  return name.includes(".") ? `"${name}"` : name;
}

function fieldSource(field: protobuf.Field): string {
  const parts = [`no: ${field.id}`, `name: "${camelCase(field.name)}"`];
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) parts.push(`type: "enum"`, `enum: "${shortName(type)}"`);
  else parts.push(`type: "${type === null ? field.type : shortName(type)}"`);
  if (field.map) parts.push("map: true");
  else if (field.repeated) parts.push("repeated: true");
  if (field.partOf !== null) parts.push(`oneof: "${field.partOf.name}"`);
  return `    { ${parts.join(", ")} },\n`;
}

function messageSource(type: protobuf.Type): string {
  const fields = [...type.fieldsArray].sort((a, b) => a.id - b.id).map(fieldSource).join("");
  return `  ${key(shortName(type))}: [${fields === "" ? "" : `\n${fields}  `}],\n`;
}

function enumSource(type: protobuf.Enum): string {
  const values = Object.entries(type.values).map(([name, number]) => `    ${number}: "${name}",\n`).join("");
  return `  ${key(shortName(type))}: {\n${values}  },\n`;
}

/** The messages that copilot decodes or encodes, with all that can be inside them. */
function reachable(root: protobuf.Root): Set<protobuf.ReflectionObject> {
  const found = new Set<protobuf.ReflectionObject>(ROOTS.map((name) => root.lookupType(CORE + name)));
  for (const object of found) {
    if (!(object instanceof protobuf.Type)) continue;
    for (const { resolvedType } of object.fieldsArray) if (resolvedType !== null) found.add(resolvedType);
  }
  return found;
}

/** The text of src/flyte/codec/schema.ts. */
export function schemaSource(): string {
  const root = readProtos();
  const used = reachable(root);
  return `/**
 * Tables of the messages in proto/ and of Google's types that they use. Written by scripts/gen_schema.ts: change proto/
 * and run that instead.
 * @module
 */

/** One field: number on the wire, name in types.ts, and what stands there. */
export interface Field {
  no: number;
  name: string;
  /** A scalar of protobuf, \`enum\`, or the name of a message. */
  type: string;
  /** The name of the enum. */
  enum?: string;
  repeated?: true;
  /** A map from strings to \`type\`. */
  map?: true;
  /** The oneof that the field belongs to. */
  oneof?: string;
}

/** Fields by message, in the order of their numbers. */
export const MESSAGES: Readonly<Record<string, readonly Field[]>> = {
${messagesIn(root).filter((type) => used.has(type)).map(messageSource).join("")}};

/** Names of values by enum. */
export const ENUMS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
${enumsIn(root).filter((type) => used.has(type)).map(enumSource).join("")}};
`;
}

if (import.meta.main) {
  const source = schemaSource();
  if (!Deno.args.includes("--check")) Deno.writeTextFileSync(TARGET, source);
  else if (Deno.readTextFileSync(TARGET) !== source) {
    throw new Error(
      "src/flyte/codec/schema.ts is not what proto/ says: run deno run -A scripts/gen_schema.ts",
    );
  }
}
