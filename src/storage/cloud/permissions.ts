/**
 * Which permissions a store needs for the addresses that it dials.
 *
 * Pure. A backend's settings give origins and paths; this makes permissions of exactly those, so that what is dialled and what is
 * asked for cannot disagree.
 * @module
 */
import type { Origin } from "../../http/origin.ts";
import { proxyFor } from "../../http/proxy.ts";
import type { PermissionContext, Permissions } from "../backend.ts";
import { hostPermission } from "../host_name.ts";

/** What a store dials and reads. */
export interface Needs {
  /** Servers that are reached, through a proxy where the environment names one. */
  origins: readonly Origin[];
  /** Host patterns besides them, for servers that only a reply names: `*.amazonaws.com`. */
  patterns?: readonly string[];
  /** Files, absolute or relative to the working directory. */
  paths?: readonly string[];
}

/**
 * The permissions for a store's needs, each once.
 *
 * @throws CopilotError `config` for a proxy's address that is none, `input` for a host that no permission can name
 */
export function permissionsFor(
  { origins, patterns = [], paths = [] }: Needs,
  { env, cwd }: PermissionContext,
): Permissions {
  const dialled = origins.map((origin) => proxyFor(env, origin)?.origin ?? origin);
  // A name that a guard looks up first has to be permitted beside the proxy.
  const hosts = [...origins, ...dialled].map(({ hostname, port }) => hostPermission(hostname, port));
  return {
    hosts: [...new Set([...hosts, ...patterns])],
    paths: [...new Set(paths.map((path) => absolutePath(path, cwd)))],
  };
}

/** A path as it is, or below the working directory. */
export function absolutePath(path: string, cwd: string): string {
  return path.startsWith("/") ? path : `${cwd}/${path}`;
}
