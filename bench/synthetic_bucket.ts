/**
 * A bucket whose objects are data sets that exist nowhere, and uploads of which only sizes and checksums are kept.
 * @module
 */
import { crc32 } from "node:zlib";
import { combine } from "../src/storage/checksum.ts";
import { crcOf, pieces } from "./content.ts";
import { type DataSet, nameOf, outputsOf } from "./cases.ts";
import { Fault, type Received } from "./upload_body.ts";

/** Smallest part but the last (S3 user guide, "Multipart upload limits"). */
const MIN_PART_BYTES = 5 * 1024 * 1024;
const MAX_PARTS = 10_000;

/** An object. Its bytes can be read where it is one of a data set. */
export interface Entry extends Received {
  read?(start: number, end: number): Iterable<Uint8Array>;
}

/** A page of a listing. */
export interface Page {
  objects: { key: string; size: number }[];
  prefixes: string[];
  /** The last key or prefix, where there is more. */
  next: string | null;
}

/** What a client says of a part when it completes an upload. */
export interface PartClaim {
  number: number;
  etag: string;
}

/** An entity tag that is no MD5: what is no checksum must not be taken for one. */
export function etagOf({ size, crc }: Received): string {
  return `"${crc.toString(16).padStart(8, "0")}-${size.toString(16)}"`;
}

/** All that the server knows. */
export class Bucket {
  readonly #entries = new Map<string, Entry>();
  readonly #uploads = new Map<string, { key: string; parts: Map<number, Received> }>();
  #sorted: string[] | null = null;

  /** Adds a data set below `in/<name>`, with the document that a download begins with. @param root URI of the bucket */
  add(set: DataSet, root: string): void {
    const prefix = `in/${set.name}`;
    const document = outputsOf(set, `${root}/${prefix}`);
    this.#put(`${prefix}/outputs.pb`, {
      size: document.length,
      crc: crc32(document),
      read: (start, end) => [document.subarray(start, end)],
    });
    for (let i = 0; set.shape !== "values" && i < set.files; i++) {
      this.#put(`${prefix}/${nameOf(set, i)}`, {
        size: set.bytes,
        crc: crcOf(set, i),
        read: (start, end) => pieces(set, i, start, end),
      });
    }
  }

  /** @throws Fault 404 */
  entry(key: string): Entry {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new Fault(404, "NoSuchKey", `There is no ${key}`);
    return entry;
  }

  /** Takes an object's place for bytes that are gone. */
  store(key: string, received: Received): void {
    this.#put(key, received);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#sorted = null;
  }

  begin(key: string): string {
    const id = crypto.randomUUID();
    this.#uploads.set(id, { key, parts: new Map() });
    return id;
  }

  storePart(id: string, number: number, part: Received): void {
    if (!(number >= 1 && number <= MAX_PARTS)) throw new Fault(400, "InvalidArgument", `Part ${number}`);
    this.#upload(id).parts.set(number, part);
  }

  /** Makes an object of the parts. @throws Fault where S3 would refuse them */
  complete(id: string, claims: readonly PartClaim[]): Received {
    const { key, parts } = this.#upload(id);
    let [size, hex] = [0, "00000000"];
    for (const [i, { number, etag }] of claims.entries()) {
      const part = parts.get(number);
      if (part === undefined || etagOf(part) !== etag) throw new Fault(400, "InvalidPart", `Part ${number}`);
      if (number <= (claims[i - 1]?.number ?? 0)) throw new Fault(400, "InvalidPartOrder", `Part ${number}`);
      if (part.size < MIN_PART_BYTES && i < claims.length - 1) {
        throw new Fault(400, "EntityTooSmall", `Part ${number} has ${part.size} bytes`);
      }
      size += part.size;
      hex = combine("crc32", hex, part.crc.toString(16).padStart(8, "0"), part.size);
    }
    const whole = { size, crc: parseInt(hex, 16) };
    this.store(key, whole);
    this.#uploads.delete(id);
    return whole;
  }

  abort(id: string): void {
    this.#uploads.delete(id);
  }

  /** The keys below a prefix behind `after`, with what is below a delimiter as one. */
  list(
    { prefix, delimiter, after, max }: { prefix: string; delimiter: string; after: string; max: number },
  ): Page {
    const keys = this.#sorted ??= [...this.#entries.keys()].sort();
    const page: Page = { objects: [], prefixes: [], next: null };
    let last = "";
    for (let at = lowerBound(keys, after > prefix ? after : prefix); at < keys.length; at++) {
      const key = keys[at]!;
      if (!key.startsWith(prefix)) break;
      const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      const common = cut < 0 ? null : key.slice(0, cut + delimiter.length);
      if ((common ?? key) <= after) continue;
      if (page.objects.length + page.prefixes.length >= max) {
        page.next = last;
        break;
      }
      last = common ?? key;
      if (common === null) page.objects.push({ key, size: this.entry(key).size });
      else {
        page.prefixes.push(common);
        at = lowerBound(keys, `${common}\uffff`) - 1;
      }
    }
    return page;
  }

  #put(key: string, entry: Entry): void {
    if (!this.#entries.has(key)) this.#sorted = null;
    this.#entries.set(key, entry);
  }

  #upload(id: string) {
    const upload = this.#uploads.get(id);
    if (upload === undefined) throw new Fault(404, "NoSuchUpload", `There is no upload ${id}`);
    return upload;
  }
}

/** The first index whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
