/**
 * Which files a URI means. Pure, for the store and for the run's permissions.
 *
 * Settings (`storage.stow.config` of kind local): `path`, the directory in which containers are directories.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import type { PermissionContext, Permissions } from "../../backend.ts";
import { absolutePath } from "../../cloud/permissions.ts";
import type { StoreUri } from "../../uri.ts";
import { trimEnd } from "../../../text/trim.ts";

/** A container of files. */
export interface FilePlace {
  /** Its URI, without a slash at its end. */
  root: string;
  /** Its directory; null where keys are paths. */
  directory: string | null;
}

/**
 * Where a container's files are.
 *
 * @throws CopilotError `config` without a directory; `path` for a container that is no name of a directory
 */
export function filePlace(uri: StoreUri, settings: StoreSettings): FilePlace {
  if (uri.scheme === "file") return { root: "file:/", directory: null };
  const path = settings.values.path ?? "";
  if (path === "") {
    throw cannot("use local storage", { config: `stow.config has no "path", expected a directory` });
  }
  const root = `${uri.scheme}://${uri.container}`;
  if (uri.container === "." || uri.container === "..") {
    throw cannot("open", root, { path: `"${uri.container}" is no name of a container` });
  }
  return { root, directory: `${trimEnd(path, "/")}/${uri.container}` };
}

/** The permissions for a URI's files: of a bare path that file or directory, else the container's directory. */
export function requiredPermissions(
  uri: StoreUri,
  settings: StoreSettings,
  { cwd }: PermissionContext,
): Permissions {
  const path = uri.scheme === "file" ? uri.key : settings.values.path ?? "";
  return { hosts: [], paths: [absolutePath(path, cwd)] };
}
