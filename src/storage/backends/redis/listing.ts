/**
 * Listings. SCAN gives keys in no order and some of them twice, from a cursor that cannot be turned back; a page is the smallest
 * keys behind the last one of the page before, out of a whole SCAN. So pages are sorted, each key comes once, and no more than
 * a page is held, for one more walk over the keys per page, which happens in the server.
 * @module
 */
import { cannot, CopilotError } from "../../../errors.ts";
import { shownBytes } from "../../../system/dirents.ts";
import { compareKeys, Smallest } from "../../key_order.ts";
import { follow, type Trail } from "../../listing.ts";
import type { ListPage, ObjectInfo } from "../../store.ts";
import type { About, RedisClient } from "./client.ts";
import { redisError } from "./faults.ts";
import { Fault } from "./resp.ts";
import { UPLOADS } from "./upload.ts";

const PAGE_KEYS = 5000;
/** Keys that one step of SCAN looks at: some milliseconds of the server's time. */
const SCAN_COUNT = 5000;
/** Bytes of a key in a message. */
const MAX_SHOWN_BYTES = 1024;
/** Commands of one pipeline: their replies must fit the socket while the commands are still being sent. */
const PIPELINE = 500;
/** Steps of SCAN without a key that follow each other: half a thousand million keys, or a server whose SCAN does not end. */
const MAX_EMPTY_STEPS = 100_000;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** What is listed. */
interface Range {
  prefix: string;
  /** Only keys behind this one. */
  after: string | undefined;
}

/** A page of the objects whose keys start with a prefix. */
export async function listKeys(client: RedisClient, about: About, range: Range): Promise<ListPage> {
  const smallest = new Smallest(PAGE_KEYS);
  const match = `${escaped(range.prefix)}*`;
  let cursor = "0";
  let trail: Trail | null = null;
  let empty = 0;
  do {
    const command = ["SCAN", cursor, "MATCH", match, "COUNT", SCAN_COUNT];
    const reply = await client.command(about, "list", command) as [Uint8Array, Uint8Array[]];
    cursor = decoder.decode(reply[0]);
    trail = follow(trail, cursor);
    empty = reply[1].length === 0 ? empty + 1 : 0;
    if (trail === null || empty > MAX_EMPTY_STEPS) throw endless(about, cursor);
    for (const bytes of reply[1]) {
      const key = keyOf(bytes, about);
      const isWanted = key.startsWith(range.prefix) && !key.startsWith(UPLOADS) &&
        (range.after === undefined || compareKeys(key, range.after) > 0);
      if (isWanted) smallest.add(key);
    }
  } while (cursor !== "0");
  const { keys, isCut } = smallest.take();
  const objects = await sized(client, about, keys);
  return { objects, ...(isCut && { next: keys.at(-1)! }) };
}

function endless({ object }: About, cursor: string): CopilotError {
  const why = `the server's SCAN does not end, it is at the cursor ${
    JSON.stringify(cursor.slice(0, 40))
  } for ever`;
  return cannot("list", object, { unsupported: why });
}

/** A prefix that stands for itself in a glob. */
function escaped(prefix: string): string {
  return prefix.replace(/[\\*?[\]^-]/g, "\\$&");
}

function keyOf(bytes: Uint8Array, { object }: About): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const shown = shownBytes(bytes.subarray(0, MAX_SHOWN_BYTES));
    throw new CopilotError("unsupported", {
      action: "list",
      object,
      detail: `the key "${shown}" is not UTF-8, so that it cannot be read`,
      cause,
    });
  }
}

/** The keys' objects; other types of values are none. */
async function sized(client: RedisClient, about: About, keys: readonly string[]): Promise<ObjectInfo[]> {
  const objects: ObjectInfo[] = [];
  for (let at = 0; at < keys.length; at += PIPELINE) {
    const some = keys.slice(at, at + PIPELINE);
    const sizes = await client.pipeline(about, some.map((key) => ["STRLEN", key]));
    for (const [i, size] of sizes.entries()) {
      if (typeof size === "number") objects.push({ key: some[i]!, size });
      else if (!(size instanceof Fault) || size.code !== "WRONGTYPE") {
        throw redisError(size as Fault, { action: "list", object: about.object });
      }
    }
  }
  return objects;
}
