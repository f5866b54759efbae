/**
 * Pages of listings out of ListBucketResult, as ListObjectsV2 and ListObjects give it. Pure.
 * @module
 */
import { readXml } from "../../cloud/xml.ts";
import type { ListPage, ObjectInfo } from "../../store.ts";

/** A page, and whether it is of ListObjects. */
export interface S3Page extends ListPage {
  isV1: boolean;
}

/** A key that no request could name: the same listing would give it again. */
export class UnlistableKey extends Error {}

/**
 * A page. The token of a page of ListObjects is a key, the last one unless the store names another.
 *
 * @param document.isUtf8 whether the reply was; what is not is U+FFFD in `xml`
 * @throws UnlistableKey for a key that is not UTF-8, Error for anything but a page of keys below the prefix
 */
export function parseListing(document: { xml: string; isUtf8: boolean }, prefix: string): S3Page {
  const { xml, isUtf8 } = document;
  const objects: ObjectInfo[] = [];
  const page = { IsTruncated: "", NextContinuationToken: "", NextMarker: "", EncodingType: "" };
  let object: ObjectInfo = { key: "", size: NaN };
  const root = readXml(xml, (name, parent, text) => {
    if (parent === "Contents") {
      if (name === "Key") object.key = text;
      else if (name === "Size") object.size = sizeOf(text);
      else if (name === "ETag") object.etag = text;
    } else if (parent === "ListBucketResult") {
      if (name === "Contents") {
        objects.push(checked(object));
        object = { key: "", size: NaN };
      } else if (name in page) page[name as keyof typeof page] = text.trim();
    }
  });
  if (root !== "ListBucketResult") throw new Error(`expected ListBucketResult, got ${root.slice(0, 40)}`);
  const decode = page.EncodingType === "url" ? decodeListed : (text: string) => text;
  for (const listed of objects) listed.key = decode(listed.key);
  const damaged = isUtf8 ? undefined : objects.find(({ key }) => key.includes("\ufffd"));
  if (damaged !== undefined) throw notUtf8(damaged.key);
  // Whoever lists passes over other keys in silence, so a damaged one would be a missing file.
  const foreign = objects.find(({ key }) => !key.startsWith(prefix));
  if (foreign !== undefined) {
    throw new Error(`the key ${JSON.stringify(foreign.key.slice(0, 200))} was not asked for`);
  }
  return { objects, ...following(page, decode(page.NextMarker) || objects.at(-1)?.key) };
}

/** How a listing goes on. */
function following(
  { IsTruncated, NextContinuationToken }: { IsTruncated: string; NextContinuationToken: string },
  marker: string | undefined,
): { next?: string; isV1: boolean } {
  if (!["", "true", "false"].includes(IsTruncated)) throw new Error("it does not say whether there is more");
  if (IsTruncated !== "true") return { isV1: false };
  if (NextContinuationToken !== "") return { next: NextContinuationToken, isV1: false };
  if (marker === undefined) throw new Error("there is more, and it does not say how to get it");
  return { next: marker, isV1: true };
}

function checked(object: ObjectInfo): ObjectInfo {
  if (object.key === "") throw new Error("an object has no key");
  if (Number.isNaN(object.size)) {
    throw new Error(`the object ${JSON.stringify(object.key.slice(0, 200))} has no size`);
  }
  return object;
}

function sizeOf(text: string): number {
  return /^\s*[0-9]{1,15}\s*$/.test(text) ? Number(text) : NaN;
}

/**
 * A key out of a listing with `encoding-type=url`, which writes a space as `+`.
 *
 * @throws UnlistableKey for one that is not UTF-8
 */
export function decodeListed(text: string): string {
  if (!/[+%]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    throw notUtf8(text);
  }
}

function notUtf8(key: string): UnlistableKey {
  return new UnlistableKey(
    `the key ${JSON.stringify(key.slice(0, 1024))} is not UTF-8, so that it cannot be read`,
  );
}
