/**
 * The registry of backends: which one serves each kind of store in the table of src/config/kinds.ts.
 *
 * Imports of stores are dynamic, so that a backend's code is loaded when its scheme is used, and literal, because `deno compile`
 * embeds only what it can read. Settings are there from the start: a run's permissions are worked out of them.
 * @module
 */
import type { Backend, BackendContext, PermissionsOf } from "../backend.ts";
import { isOwnPlace, type KindName, kindOfScheme, KINDS, type StoreSettings } from "../../config/mod.ts";
import { cannot } from "../../errors.ts";
import type { ObjectStore } from "../store.ts";
import { formatUri, type StoreUri } from "../uri.ts";
import { requiredPermissions as azure } from "./azure/settings.ts";
import { requiredPermissions as file } from "./file/settings.ts";
import { requiredPermissions as gcs } from "./gcs/settings.ts";
import { requiredPermissions as http } from "./http/settings.ts";
import { requiredPermissions as redis } from "./redis/settings.ts";
import { requiredPermissions as s3 } from "./s3/settings.ts";

/** A backend that is not loaded yet. */
export interface BackendEntry {
  kinds: readonly KindName[];
  permissions: PermissionsOf;
  load(): Promise<{ backend: Backend }>;
}

const NO_PERMISSIONS: PermissionsOf = () => ({ hosts: [], paths: [] });

const TABLE = {
  file: { kinds: ["local"], permissions: file, load: () => import("./file/mod.ts") },
  mem: { kinds: ["mem"], permissions: NO_PERMISSIONS, load: () => import("./memory/mod.ts") },
  s3: { kinds: ["s3", "swift", "oracle"], permissions: s3, load: () => import("./s3/mod.ts") },
  gcs: { kinds: ["google"], permissions: gcs, load: () => import("./gcs/mod.ts") },
  azure: { kinds: ["azure"], permissions: azure, load: () => import("./azure/mod.ts") },
  redis: { kinds: ["redis"], permissions: redis, load: () => import("./redis/mod.ts") },
  http: { kinds: ["http"], permissions: http, load: () => import("./http/mod.ts") },
} as const satisfies Record<string, BackendEntry>;

/** Names of the backends. */
export type BackendName = keyof typeof TABLE;

/** Every backend, by name. */
export const BACKENDS: Readonly<Record<BackendName, BackendEntry>> = TABLE;

/**
 * Which backend serves a URI. Settings of kind `local` or `mem` take the place of any store: `s3://b/k` is then a file below the
 * configured directory, or in memory.
 *
 * @throws CopilotError `unsupported` for a scheme without backend
 */
export function backendOf(uri: StoreUri, settings: StoreSettings): BackendName {
  const takesAll = (settings.kind === "local" || settings.kind === "mem") && !isOwnPlace(uri.scheme);
  const kind = takesAll ? settings.kind : kindOfScheme(uri.scheme);
  for (const [name, { kinds }] of Object.entries(BACKENDS)) {
    if ((kinds as readonly string[]).includes(kind)) return name as BackendName;
  }
  const object = formatUri(uri);
  const known = Object.values(KINDS).flatMap(({ schemes }) => schemes).join(", ");
  const why = `no storage has the scheme "${uri.scheme}"`;
  throw cannot("open", object, { unsupported: `${why}, expected one of ${known}` });
}

/**
 * Opens the container that a URI names.
 *
 * @throws CopilotError `unsupported` for a scheme without backend; `config` as the backend's `open`
 */
export async function openStore(
  uri: StoreUri,
  settings: StoreSettings,
  context: BackendContext,
): Promise<ObjectStore> {
  const { backend } = await BACKENDS[backendOf(uri, settings)].load();
  return await backend.open(uri, settings, context);
}
