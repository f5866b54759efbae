/**
 * What a URI means for the run's permissions: each backend's settings know.
 *
 * Pure, and apart from the registry's `load`, so that permissions are known before any store's code is loaded.
 * @module
 */
import type { StoreSettings } from "../config/mod.ts";
import type { PermissionContext, Permissions, PermissionsOf } from "./backend.ts";
import { requiredPermissions as azure } from "./backends/azure/settings.ts";
import { requiredPermissions as file } from "./backends/file/settings.ts";
import { requiredPermissions as gcs } from "./backends/gcs/settings.ts";
import { requiredPermissions as http } from "./backends/http/settings.ts";
import { type BackendName, backendOf } from "./backends/mod.ts";
import { requiredPermissions as redis } from "./backends/redis/settings.ts";
import { requiredPermissions as s3 } from "./backends/s3/settings.ts";
import type { StoreUri } from "./uri.ts";

const BY_BACKEND: Readonly<Record<BackendName, PermissionsOf>> = {
  azure,
  file,
  gcs,
  http,
  mem: () => ({ hosts: [], paths: [] }),
  redis,
  s3,
};

/**
 * The permissions for the container that a URI names.
 *
 * @throws CopilotError `unsupported` for a scheme without backend; for settings that cannot work
 */
export function requiredPermissions(
  uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
): Permissions {
  return BY_BACKEND[backendOf(uri, settings)](uri, settings, context);
}
