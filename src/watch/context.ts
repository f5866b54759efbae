/**
 * What a watcher is given when it is opened.
 * @module
 */
import type { Log } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import type { SigtermCounter } from "./sigterm_counter.ts";
import type { Watcher } from "./watcher.ts";

/** What the command line says about the container to watch. */
export interface WatchSettings {
  /** Absolute path of the directory that main writes its outputs to. */
  localDir: string;
  /** Main's name in the pod's spec. */
  watchContainer?: string | undefined;
  /** Main's id or its beginning; wins over the name. */
  watchContainerId?: string | undefined;
  kube: KubeSettings;
}

/** Where the kube-api watcher finds the own pod. */
export interface KubeSettings {
  /** Path of a kubeconfig file; without it the pod's service account is used. */
  kubeconfig?: string | undefined;
  /** Context within the kubeconfig; without it its current one. */
  context?: string | undefined;
  /** The own pod's namespace; without it the service account's or the kubeconfig's. */
  namespace?: string | undefined;
  /** The own pod's name; without it the host's name, which is the pod's unless the pod is on the host's network. */
  podName?: string | undefined;
}

/** What a watcher may use. One context belongs to one run. */
export interface WatcherContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: Log;
  terminations: SigtermCounter;
  command: WatchSettings;
}

/** What each watcher's module exports. */
export interface WatcherModule {
  /** @throws CopilotError `config` where the watcher cannot work here at all */
  open(context: WatcherContext): Watcher | Promise<Watcher>;
}
