/**
 * The registry of backends: the one place that knows which schemes there are.
 *
 * Imports are dynamic, so that a backend's code is loaded when its scheme is used, and literal, because `deno compile`
 * embeds only what it can read.
 * @module
 */
import type { Backend, BackendContext } from "../backend.ts";
import type { StoreSettings } from "../../config/mod.ts";
import { CopilotError } from "../../errors.ts";
import type { ObjectStore } from "../store.ts";
import { formatUri, type StoreUri } from "../uri.ts";

/** A backend that is not loaded yet. */
export interface BackendEntry {
  /** As the module's `backend.schemes`. */
  schemes: readonly string[];
  load(): Promise<{ backend: Backend }>;
}

/** Names of the backends. */
export type BackendName = "file" | "mem" | "s3" | "gcs" | "azure" | "redis" | "http";

/** Every backend, by name. */
export const BACKENDS: Readonly<Record<BackendName, BackendEntry>> = {
  file: { schemes: ["file"], load: () => import("./file/mod.ts") },
  mem: { schemes: ["mem"], load: () => import("./memory/mod.ts") },
  s3: { schemes: ["s3", "sw", "os"], load: () => import("./s3/mod.ts") },
  gcs: { schemes: ["gs"], load: () => import("./gcs/mod.ts") },
  azure: { schemes: ["abfs", "abfss"], load: () => import("./azure/mod.ts") },
  redis: { schemes: ["redis", "rediss"], load: () => import("./redis/mod.ts") },
  http: { schemes: ["http", "https"], load: () => import("./http/mod.ts") },
};

function entryFor(uri: StoreUri, settings: StoreSettings): BackendEntry {
  const isOwnPlace = uri.scheme === "http" || uri.scheme === "https" || uri.scheme === "file";
  if (settings.kind === "local" && !isOwnPlace) return BACKENDS.file;
  if (settings.kind === "mem" && !isOwnPlace) return BACKENDS.mem;
  const entries = Object.values(BACKENDS);
  const found = entries.find(({ schemes }) => schemes.includes(uri.scheme));
  if (found !== undefined) return found;
  const object = formatUri(uri);
  const known = entries.flatMap(({ schemes }) => schemes).join(", ");
  const why = `no storage has the scheme "${uri.scheme}"`;
  throw new CopilotError("unsupported", `Cannot open "${object}": ${why}, expected one of ${known}`, {
    object,
  });
}

/**
 * Opens the container that a URI names. Settings of kind `local` or `mem` take the place of any store: `s3://b/k` is then
 * a file below the configured directory, or in memory.
 *
 * @throws CopilotError `unsupported` for a scheme without backend; `config` as the backend's `open`
 */
export async function openStore(
  uri: StoreUri,
  settings: StoreSettings,
  context: BackendContext,
): Promise<ObjectStore> {
  const { backend } = await entryFor(uri, settings).load();
  return await backend.open(uri, settings, context);
}
