/**
 * What differs between two documents, value by value.
 * @module
 */
import type { Json } from "../text/go_json.ts";

/** A value that one document has and the other has not, or has otherwise. */
export interface Difference {
  /** Names and indexes on the way to it: `literals.rows.scalar.primitive.integer`. */
  path: string;
  /** Undefined where the first document has none. */
  a: Json | undefined;
  b: Json | undefined;
}

/** The differences in the order of their paths. Variables of an interface are compared by name, since their order means nothing. */
export function differences(a: Json, b: Json): Difference[] {
  const [one, other] = [new Map<string, Json>(), new Map<string, Json>()];
  flatten(a, "", one);
  flatten(b, "", other);
  const paths = [...new Set([...one.keys(), ...other.keys()])].sort();
  return paths.map((path) => ({ path, a: one.get(path), b: other.get(path) })).filter(({ a, b }) =>
    !Object.is(a, b)
  );
}

function flatten(json: Json, path: string, into: Map<string, Json>): void {
  const below = (key: string) => path === "" ? key : `${path}.${key}`;
  const entries = entriesOf(json);
  if (entries === null) into.set(path, json);
  else if (entries.length === 0) into.set(path, Array.isArray(json) ? "[]" : "{}");
  else {for (const [key, value] of entries) {
      flatten(value, key.startsWith("[") ? path + key : below(key), into);
    }}
}

/** What is inside of a list or an object; null for a value. */
function entriesOf(json: Json): [string, Json][] | null {
  if (json instanceof Map) return [...json];
  if (!Array.isArray(json)) return null;
  const names = json.map((item) => item instanceof Map ? item.get("key") : undefined);
  const isByName = names.every((name) => typeof name === "string") && new Set(names).size === names.length;
  return json.map((item, at) =>
    isByName ? [String(names[at]), (item as Map<string, Json>).get("value") ?? null] : [`[${at}]`, item]
  );
}
