/**
 * What the elements of a list are called on the disk.
 * @module
 */
import { assertName, basenameOfUri, elementPlace } from "./names.ts";
import { type Blob, Dimensionality, type Literal } from "../types.ts";

/**
 * Names of a list's elements in the layout NAMED_DIR: a single blob keeps its basename, or gets `<index>_` in front as often as
 * an earlier element or an element that has its index as name makes necessary. Everything else has its index.
 */
export function elementNames(literals: Literal[], variable: string): string[] {
  const blobs = literals.map(singleBlob);
  const taken = new Set<string>();
  blobs.forEach((blob, index) => {
    if (blob === null) taken.add(String(index));
  });
  return blobs.map((blob, index) => {
    if (blob === null) return String(index);
    const place = elementPlace(variable, index);
    let name = basenameOfUri(blob.uri);
    assertName(name, place);
    while (taken.has(name)) {
      name = `${index}_${name}`;
      assertName(name, place);
    }
    taken.add(name);
    return name;
  });
}

/** The literal's single blob, where it is one; a blob in a union does not count. */
function singleBlob(literal: Literal): Blob | null {
  const scalar = literal.value?.case === "scalar" ? literal.value.value.value : undefined;
  return scalar?.case === "blob" && !isMultipart(scalar.value) ? scalar.value : null;
}

/** Whether a blob is a directory. */
export function isMultipart(blob: Blob): boolean {
  return blob.metadata?.type?.dimensionality === Dimensionality.MULTIPART;
}
