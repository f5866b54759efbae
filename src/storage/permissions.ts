/**
 * What a URI means for the run's permissions: the settings of the backend that serves it know.
 * @module
 */
import type { StoreSettings } from "../config/mod.ts";
import type { PermissionContext, Permissions } from "./backend.ts";
import { backendOf, BACKENDS } from "./backends/mod.ts";
import type { StoreUri } from "./uri.ts";

/**
 * The permissions that a run needs for the container that a URI names.
 *
 * @throws CopilotError `unsupported` for a scheme without backend; for settings that cannot work
 */
export function requiredPermissions(
  uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
): Permissions {
  return BACKENDS[backendOf(uri, settings)].permissions(uri, settings, context);
}
