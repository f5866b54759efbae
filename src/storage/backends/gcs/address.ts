/**
 * Where a bucket is, and how its objects are named in requests (JSON API,
 * https://cloud.google.com/storage/docs/json_api/v1).
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { assertUnicode, encodeText } from "../../cloud/percent_encoding.ts";
import { googleEndpoint, payingProject } from "./settings.ts";
import { type Origin, parseHttpUrl } from "../../../http/origin.ts";
import { before, trimEnd } from "../../../text/trim.ts";

/** Name and value of a query's parameters; those without value are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** A bucket's address. */
export class GcsAddress {
  readonly bucket: string;
  readonly origin: Origin;
  /** Path of the endpoint itself, without a slash at its end. */
  readonly #base: string;
  /** Who pays for requests, where it is not the bucket's project. */
  readonly #userProject: string | undefined;

  /** @throws CopilotError `config` for an endpoint that is not a URL */
  constructor(bucket: string, settings: StoreSettings, env: Readonly<Record<string, string>>) {
    const { url, from } = googleEndpoint(settings, env);
    const { origin, path } = parseHttpUrl(url, from);
    this.bucket = bucket;
    this.origin = origin;
    this.#base = trimEnd(before(path, "?"), "/");
    this.#userProject = payingProject(settings, env);
  }

  /** Path of the bucket's list of objects. */
  objects(query: Query): string {
    return `${this.#base}/storage/v1/b/${encodeText(this.bucket)}/o${this.#format(query)}`;
  }

  /** Path of an object. */
  object(key: string, query: Query): string {
    return `${this.#base}/storage/v1/b/${encodeText(this.bucket)}/o/${encodeKey(key)}${this.#format(query)}`;
  }

  /** Path that uploads go to. */
  uploads(key: string, query: Query): string {
    // Checked here too: a name that is no Unicode text would be sent as another one.
    encodeKey(key);
    return `${this.#base}/upload/storage/v1/b/${encodeText(this.bucket)}/o${
      this.#format({ name: key, ...query })
    }`;
  }

  #format(query: Query): string {
    const parts = Object.entries({ ...query, userProject: this.#userProject })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeText(String(value))}`);
    return parts.length === 0 ? "" : `?${parts.join("&")}`;
  }
}

/**
 * A key as one segment of a path.
 *
 * @throws CopilotError `input` for a key that is no Unicode text, or that a path cannot hold
 */
function encodeKey(key: string): string {
  assertUnicode(key);
  if (key === "." || key === "..") {
    throw cannot("use the key", key, { input: "Google Cloud Storage has no such names" });
  }
  return encodeText(key);
}
