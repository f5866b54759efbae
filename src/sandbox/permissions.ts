/**
 * The run's permissions: what a command line needs, and what its inputs may add.
 * @module
 */
import { settingsFor, type StorageConfig } from "../config/mod.ts";
import { cannot, from } from "../errors.ts";
import { spellingsOf } from "../flyte/plan/keys.ts";
import type { RunCommand } from "../run/context.ts";
import type { InspectCommand } from "../run/inspect.ts";
import type { PermissionContext } from "../storage/backend.ts";
import { parseHttpUrl } from "../http/origin.ts";
import { permissionsFor } from "../storage/cloud/permissions.ts";
import { requiredPermissions } from "../storage/permissions.ts";
import { assertAllowed } from "../storage/guard.ts";
import { parseUri, type StoreUri } from "../storage/uri.ts";

/** What the Worker may do. */
export interface Scope {
  read: Set<string>;
  write: Set<string>;
  net: Set<string>;
}

/** What a scope is worked out from. */
export interface ScopeContext extends PermissionContext {
  /** The run's local directory behind symlinks. */
  realLocalDir: string;
}

/**
 * The scope that a command line alone asks for.
 *
 * @throws CopilotError for an address that cannot be used
 */
export function scopeOf(command: RunCommand, context: ScopeContext): Scope {
  const scope = reportScopeOf(command, context);
  if (command.kind === "download") {
    for (const directory of [command.localDir, context.realLocalDir]) scope.write.add(directory);
    add(scope, command.from, { what: "--from-remote", write: false, command, context });
  } else add(scope, command.rawPrefix, { what: "--to-raw-output", write: true, command, context });
  return scope;
}

/** The scope for nothing but the error document, which stays usable when an address that the run itself needs is not. */
export function reportScopeOf(command: RunCommand, context: ScopeContext): Scope {
  const localDirs = [command.localDir, context.realLocalDir];
  const scope: Scope = { read: new Set(localDirs), write: new Set(), net: new Set() };
  for (const host of telemetryHosts(command, context)) scope.net.add(host);
  const { outputPrefix } = command;
  if (outputPrefix !== undefined) {
    add(scope, outputPrefix, { what: "--to-output-prefix", write: true, command, context });
  }
  return scope;
}

/** The collector's hosts, if its addresses can be used: a fault of telemetry is never one of the run. */
function telemetryHosts({ telemetry }: RunCommand, context: ScopeContext): string[] {
  const urls = [telemetry?.tracesUrl, telemetry?.metricsUrl].filter((url) => url !== undefined);
  return urls.flatMap((url) => {
    try {
      return permissionsFor({ origins: [parseHttpUrl(url, "the endpoint for telemetry").origin] }, context)
        .hosts;
    } catch {
      return [];
    }
  });
}

/** The scope to read documents, and what stands beside them in a directory. */
export function inspectScopeOf(
  command: InspectCommand,
  uris: readonly string[],
  context: PermissionContext,
): Scope {
  const scope: Scope = { read: new Set(), write: new Set(), net: new Set() };
  for (const uri of uris) {
    add(scope, uri, {
      what: "the document",
      write: false,
      command,
      context: { ...context, realLocalDir: "" },
    });
  }
  return scope;
}

interface Addition {
  /** The flag that names the place, for messages. */
  what: string;
  write: boolean;
  command: RunCommand | InspectCommand;
  context: ScopeContext;
}

function add(scope: Scope, uri: string, { what, write, command, context }: Addition): void {
  const needed = requiredPermissions(parseUri(uri, what), settings(uri, what, command.storage), context);
  for (const host of needed.hosts) scope.net.add(host);
  for (const path of needed.paths) {
    scope.read.add(path);
    // A store behind the network has nothing but credentials on the disk.
    if (write && needed.hosts.length === 0) scope.write.add(path);
  }
}

function settings(uri: string, what: string, storage: StorageConfig) {
  return settingsFor(parseUri(uri, what).scheme, storage);
}

/** Schemes whose URIs name a host, and where none is said, its port. */
const PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, redis: 6379, rediss: 6379 };

function assertHostAllowed(
  text: string,
  { scheme, container }: StoreUri,
  command: RunCommand | InspectCommand,
  { env }: ScopeContext,
): void {
  const url = URL.parse(`http://${container}`);
  if (url === null) throw cannot("read", text, { input: "its host is none, expected HOST or HOST:PORT" });
  const said = /:([0-9]+)$/.exec(container)?.[1];
  const port = said === undefined ? PORTS[scheme]! : Number(said);
  try {
    assertAllowed({ hostname: url.hostname, port }, { env, allowsLinkLocal: allowsLinkLocal(command) });
  } catch (thrown) {
    throw from(thrown, { action: "read", object: text }).within({ action: "read", object: text });
  }
}

/**
 * Adds the places that a run's inputs name.
 *
 * @returns whether anything was added
 * @throws CopilotError `denied` for a place that inputs must not name
 */
export function widen(
  scope: Scope,
  uris: readonly string[],
  command: RunCommand | InspectCommand,
  context: ScopeContext,
): boolean {
  const before = scope.read.size + scope.net.size;
  for (const text of uris) {
    const uri = parseUri(text, "an input's URI");
    if (uri.scheme === "file" && !mayNameFiles(command)) {
      throw cannot("read", text, { denied: "inputs from a remote store must not name local files" });
    }
    if (Object.hasOwn(PORTS, uri.scheme)) assertHostAllowed(text, uri, command, context);
    for (const spelling of triedUris(uri)) {
      const needed = requiredPermissions(
        spelling,
        settings(text, "an input's URI", command.storage),
        context,
      );
      for (const host of needed.hosts) scope.net.add(host);
      for (const path of needed.paths) if (!covered(scope.read, path)) scope.read.add(path);
    }
  }
  return scope.read.size + scope.net.size > before;
}

/** A file's path in each spelling that a download tries. */
function triedUris(uri: StoreUri): StoreUri[] {
  return uri.scheme === "file" ? spellingsOf(uri.key).map((key) => ({ ...uri, key })) : [uri];
}

/** What is local already may name what is local. */
function mayNameFiles(command: RunCommand | InspectCommand): boolean {
  if (command.kind === "inspect") return command.documents.every(isLocal);
  return command.kind === "download" && parseUri(command.from, "--from-remote").scheme === "file";
}

function isLocal(document: string): boolean {
  return document === "-" || parseUri(document, "the document").scheme === "file";
}

function allowsLinkLocal(command: RunCommand | InspectCommand): boolean {
  return command.kind === "download" && command.allowLinkLocal;
}

function covered(paths: ReadonlySet<string>, path: string): boolean {
  for (const root of paths) {
    if (path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`)) return true;
  }
  return false;
}
