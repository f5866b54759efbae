/**
 * How a kind of storage is opened. One file per kind in `backends/`, one line per kind in `backends/mod.ts`.
 * @module
 */
import type { StoreSettings } from "../config/mod.ts";
import type { System } from "../system/mod.ts";
import type { ObjectStore } from "./store.ts";
import type { StoreUri } from "./uri.ts";

/** What a backend may use of the world around it. */
export interface BackendContext {
  system: System;
  /** The environment that the process was started with; nothing else reads it. */
  env: Readonly<Record<string, string>>;
  /** PEM certificates trusted besides the system's (SSL_CERT_FILE, AWS_CA_BUNDLE). */
  caCerts: string[];
  /** Asks for the right to reach a place that only a reply named (a redirect); rejects with `denied` where it never may. */
  allow(uris: readonly string[]): Promise<void>;
  /** Fires when the run is over or cancelled; open connections are closed then. */
  signal: AbortSignal;
}

/** A kind of storage. */
export interface Backend {
  /**
   * Opens the container that a URI names. Makes no request: the first call does.
   *
   * @throws CopilotError `config` for settings that cannot work, naming the setting and what it must be
   */
  open(uri: StoreUri, settings: StoreSettings, context: BackendContext): Promise<ObjectStore>;
}

/** What a run needs to use a container, and no more. */
export interface Permissions {
  /** `name:port`, `*.domain`, addresses; IPv6 in brackets. */
  hosts: string[];
  /** Absolute paths. */
  paths: string[];
}

/** What permissions are worked out from. */
export interface PermissionContext {
  env: Readonly<Record<string, string>>;
  /** What a relative path is relative to. */
  cwd: string;
  /** The text of a credential file, which may name hosts and files itself; null where it cannot be read. */
  readText?(path: string): string | null;
}

/**
 * Works out the permissions for the container that a URI names, from the same settings as the addresses that its store dials.
 *
 * @throws CopilotError for settings that cannot work, as {@linkcode Backend.open}
 */
export type PermissionsOf = (
  uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
) => Permissions;
