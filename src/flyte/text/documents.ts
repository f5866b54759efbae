/**
 * The bodies of inputs.json and inputs.yaml: a LiteralMap as the plain values that a task's program wants.
 * @module
 */
import type { CopilotError } from "../../errors.ts";
import {
  assertJsonNumber,
  entriesOf,
  itemsOf,
  type JsonEntries,
  type JsonView,
  type Place,
  structJson,
  writeJson,
} from "./go_json.ts";
import { durationNs, formatTimestamp } from "./go_time.ts";
import { elementPlace, keyPlace, variableError, variablePlace } from "../plan/names.ts";
import { type Content, TextBytes } from "./text_bytes.ts";
import type { Literal, LiteralMap, Primitive, Scalar, Timestamp } from "../types.ts";
import { writeYaml } from "./yaml_text.ts";

/** The last year that Go's JSON takes. */
const MAX_YEAR = 9999n;

/**
 * A LiteralMap as inputs.json: one line, keys sorted, integers exact.
 *
 * Durations are integer nanoseconds, times RFC 3339, binary is base64 (null when empty), a union is its value, blobs,
 * schemas and datasets are their URI, which the caller has replaced by a local path.
 *
 * @returns what throws, when it is written, CopilotError `input` that names the variable, for NaN, infinities and years outside 0 to 9999, which JSON
 * cannot hold, and for literals without a value
 */
export function inputsJson(map: LiteralMap): Content {
  return (write) => {
    const out = new TextBytes(write);
    writeJson(documentOf(map), out);
    out.end();
  };
}

/** A LiteralMap as inputs.yaml: the values of {@linkcode inputsJson}, with the same errors. */
export function inputsYaml(map: LiteralMap): Content {
  return (write) => {
    const out = new TextBytes(write);
    writeYaml(documentOf(map), out);
    out.end();
  };
}

/** Values are made while they are written: a tree of them would take more memory than the literals. */
function documentOf({ literals }: LiteralMap): JsonEntries {
  return entriesOf(literals, (literal, name) => literalJson(literal, () => variablePlace(name)));
}

/** @param place the variable, or the spot in it, for messages */
function literalJson({ value }: Literal, place: Place): JsonView {
  switch (value?.case) {
    case "scalar":
      return scalarJson(value.value, place);
    case "collection":
      return itemsOf(
        value.value.literals,
        (item, index) => literalJson(item, () => elementPlace(place(), index)),
      );
    case "map":
      return entriesOf(value.value.literals, (item, key) => literalJson(item, () => keyPlace(place(), key)));
    case "offloadedMetadata":
      throw unwritable(place, "it is still a reference to an offloaded literal");
    case undefined:
      throw unwritable(place, "it holds no value");
  }
}

function scalarJson({ value }: Scalar, place: Place): JsonView {
  switch (value?.case) {
    case "primitive":
      return primitiveJson(value.value, place);
    case "noneType":
      return null;
    case "binary":
      return value.value.value.length === 0 ? null : value.value.value.toBase64();
    case "error":
      return value.value.message;
    case "generic":
      return structJson(value.value, place);
    case "blob":
    case "schema":
    case "structuredDataset":
      return value.value.uri;
    case "union":
      if (value.value.value === undefined) throw unwritable(place, "it is a union without a value");
      return literalJson(value.value.value, place);
    case undefined:
      throw unwritable(place, "it is a scalar without a value");
  }
}

function primitiveJson({ value }: Primitive, place: Place): JsonView {
  switch (value?.case) {
    case undefined:
      return null;
    case "floatValue":
      assertJsonNumber(value.value, () => `variable ${place()}`);
      return value.value;
    case "datetime":
      return timeJson(value.value, place);
    case "duration":
      return durationNs(value.value);
    case "integer":
    case "stringValue":
    case "boolean":
      return value.value;
  }
}

function timeJson(timestamp: Timestamp, place: Place): string {
  const { text, year } = formatTimestamp(timestamp);
  if (year >= 0n && year <= MAX_YEAR) return text;
  throw unwritable(place, `Time.MarshalJSON: year outside of range [0,${MAX_YEAR}]: ${text}`);
}

function unwritable(place: Place, fault: string): CopilotError {
  return variableError("input", { action: "write", variable: place(), fault });
}
