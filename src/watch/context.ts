/**
 * What a watcher is given when it is opened.
 * @module
 */
import type { Log } from "../log.ts";
import type { System } from "../system.ts";
import type { Terminations } from "./terminations.ts";
import type { Watcher } from "./watcher.ts";

/** What the command line says about the container to watch. */
export interface WatchSettings {
  /** Absolute path of the directory that main writes its outputs to. */
  localDir: string;
  /** Main's name in the pod's spec. */
  watchContainer?: string | undefined;
  /** Main's id or its beginning; wins over the name. */
  watchContainerId?: string | undefined;
  /** The own pod's namespace. */
  namespace?: string | undefined;
  /** The own pod's name. */
  podName?: string | undefined;
  /** Path of a kubeconfig file; without it the pod's service account is used. */
  kubeconfig?: string | undefined;
  /** Context within the kubeconfig; without it its current one. */
  kubeContext?: string | undefined;
}

/** What a watcher may use. One context belongs to one run. */
export interface WatcherContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: Log;
  terminations: Terminations;
  command: WatchSettings;
}

/** What each watcher's module exports. */
export interface WatcherModule {
  /** @throws CopilotError `config` where the watcher cannot work here at all */
  open(context: WatcherContext): Watcher | Promise<Watcher>;
}
