/**
 * What the tests of Flyte's formats share: the recorded cases, and literals in one line.
 * @module
 */
import { decodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal, LiteralMap, Primitive, Scalar } from "../../src/flyte/types.ts";
import { writeScalar } from "../../src/flyte/text/text.ts";
import { bytesOf } from "../../src/flyte/text/text_bytes.ts";

const CASES = new URL("../conformance/cases/", import.meta.url);

/** A file of a recorded case; undefined where it has none. */
export function caseFile(name: string, path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(new URL(`${name}/${path.split("/").map(encodeURIComponent).join("/")}`, CASES));
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.IsADirectory) {
      return undefined;
    }
    throw thrown;
  }
}

/** As {@linkcode caseFile}, as text. */
export function caseText(name: string, path: string): string | undefined {
  const bytes = caseFile(name, path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** Names of the recorded cases that begin with a prefix. */
export function caseNames(prefix: string): string[] {
  return [...Deno.readDirSync(CASES)].map(({ name }) => name).filter((name) => name.startsWith(prefix))
    .sort();
}

/** The LiteralMaps of the recorded downloads that can be decoded, and their bytes. */
export function caseInputs(): { name: string; bytes: Uint8Array; map: LiteralMap }[] {
  return caseNames("download-").filter((name) => name !== "download-corrupt-inputs").flatMap((name) => {
    const bytes = caseFile(name, "remote/in/inputs.pb");
    return bytes === undefined ? [] : [{ name, bytes, map: decodeLiteralMap(bytes) }];
  });
}

/** A literal of a value. */
export function literal(value: NonNullable<Literal["value"]>): Literal {
  return { value, hash: "", metadata: new Map() };
}

/** A literal of a scalar. */
export function scalar(value: NonNullable<Scalar["value"]>): Literal {
  return literal({ case: "scalar", value: { value } });
}

/** A literal of a primitive. */
export function primitive(value: NonNullable<Primitive["value"]>): Literal {
  return scalar({ case: "primitive", value: { value } });
}

/** A literal of a list. */
export function list(...literals: Literal[]): Literal {
  return literal({ case: "collection", value: { literals } });
}

/** A literal of a map. */
export function map(entries: Record<string, Literal>): Literal {
  return literal({ case: "map", value: literalMap(entries) });
}

/** A LiteralMap of variables. */
export function literalMap(entries: Record<string, Literal>): LiteralMap {
  return { literals: new Map(Object.entries(entries)) };
}

/** The bytes of the file of a value that is no file itself. */
export function scalarText(scalar: Scalar): Uint8Array {
  return bytesOf((write) => writeScalar(scalar, write));
}
