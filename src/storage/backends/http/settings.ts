/**
 * Which web server a URL means. Pure, for the store and for the run's permissions.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import type { PermissionContext, Permissions } from "../../backend.ts";
import { permissionsFor } from "../../cloud/permissions.ts";
import { formatUri, type StoreUri } from "../../uri.ts";

/** A web server as a store. */
export interface HttpSettings {
  /** Scheme and host, credentials included, without a slash at its end. */
  base: string;
  /** Link-local and metadata addresses may be asked. */
  allowsLinkLocal: boolean;
}

/** What a URL and the settings mean. */
export function httpSettings(uri: StoreUri, settings: StoreSettings): HttpSettings {
  return {
    base: formatUri({ ...uri, key: "" }).slice(0, -1),
    allowsLinkLocal: settings.values.allow_link_local === "true",
  };
}

/** The permission for a URL's host. @throws CopilotError `config` for a URL that is none */
export function requiredPermissions(
  uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
): Permissions {
  const { origin } = parseHttpUrl(httpSettings(uri, settings).base, "the URL");
  return permissionsFor({ origins: [origin] }, context);
}
