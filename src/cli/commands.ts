/**
 * What a command line asks for, complete and checked.
 * @module
 */
import type { VerifyMode } from "../config/verify_modes.ts";
import type { DocumentKind, DownloadMode, InspectFormat, UploadMode } from "../flyte/modes.ts";
import type { StorageConfig } from "../config/mod.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import type { LogSettings } from "../system/log.ts";

/** What the commands that touch stores have in common. */
export interface StoreCommand {
  storage: StorageConfig;
  log: LogSettings;
  /** Whether a failure that error.pb tells ends in exit status 1; undefined: where a person looks on, as standard error tells. */
  exitOnError: boolean | undefined;
  /** `--memory-limit`; undefined: derived from the container's limit. */
  memoryLimitBytes: number | undefined;
  /** Where telemetry goes; undefined: nowhere. */
  telemetry: TelemetrySettings | undefined;
  /** For the log, once there is one: settings that nothing understands. */
  warnings: readonly string[];
}

/** `copilot download`. */
export interface DownloadCommand extends StoreCommand {
  kind: "download";
  /** Whether only the plan is shown. */
  dryRun: boolean;
  /** URI of the LiteralMap. */
  from: string;
  /** URI prefix for the error document; without one nothing remote is written, and a failure exits 1. */
  outputPrefix: string | undefined;
  /** As given: absolute, or relative to the working directory. */
  localDir: string;
  /** As given: a value that is no format or layout fails the download, which the error document tells, as the original has it. */
  format: string;
  layout: string;
  mode: DownloadMode;
  /** 0: no bound. */
  timeoutMs: number;
  errOutputName: string;
  /** A VariableMap in protobuf. */
  inputInterface: Uint8Array | undefined;
  verify: VerifyMode;
  /** Whether http inputs may come from link-local addresses. */
  allowLinkLocal: boolean;
}

/** Names that `--start-watcher-type` and `--exit-watcher-type` take. */
export const WATCHERS = [
  "auto",
  "signal",
  "shared-process-ns",
  "shared-process-namespace",
  "file",
  "kube-api",
  "noop",
] as const;

/** A watcher by its one name; `shared-process-namespace` is `shared-process-ns`. */
export type WatcherName = Exclude<typeof WATCHERS[number], "shared-process-namespace">;

/** What the kube-api watcher is told. */
export interface KubeSettings {
  kubeconfig: string | undefined;
  context: string | undefined;
  namespace: string | undefined;
  podName: string | undefined;
}

/** `copilot sidecar`. */
export interface SidecarCommand extends StoreCommand {
  kind: "sidecar";
  /** Whether only the plan is shown, at once and without waiting for main. */
  dryRun: boolean;
  /** As given: absolute, or relative to the working directory. */
  localDir: string;
  /** URI prefixes for raw data, and for outputs.pb and error.pb. */
  rawPrefix: string;
  outputPrefix: string;
  metaOutputName: string;
  errOutputName: string;
  /** A TypedInterface in protobuf; undefined: no outputs. */
  interface: Uint8Array | undefined;
  mode: UploadMode;
  /** Without repetition; the first that sees it wins. */
  startWatchers: WatcherName[];
  exitWatchers: WatcherName[];
  /** Bound for the wait for main's start; 0: none. */
  startTimeoutMs: number;
  /** Time between main's end and SIGKILL; 0: to be taken as the bound for the upload, as Flyte's plugin sets it. */
  graceMs: number;
  /** Bound for the upload, counted from main's end; 0: none. */
  timeoutMs: number;
  watchContainer: string | undefined;
  watchContainerId: string | undefined;
  kube: KubeSettings;
  /** Whether to exit once the upload is done; `auto`: as the watchers say, see {@linkcode Watcher.lingerMs}. */
  exitAfterUpload: boolean | "auto";
}

/** `copilot inspect`. */
export interface InspectCommand extends StoreCommand {
  kind: "inspect";
  /** URIs, paths, `-` for standard input, or base64: one, or the two that are compared. */
  documents: readonly string[];
  /** Whether the documents are compared. */
  diff: boolean;
  /** Whether to look at what references name. */
  sizes: boolean;
  output: InspectFormat;
  /** What the document is; undefined: to be found out. */
  documentKind: DocumentKind | undefined;
}

/** `copilot run`: a task from its inputs to its outputs. */
export interface TaskCommand extends StoreCommand {
  kind: "run";
  /** Undefined for a task without inputs. */
  download: DownloadCommand | undefined;
  /** Its watchers are not used. */
  upload: SidecarCommand;
  program: {
    /** At least the program itself. */
    argv: readonly string[];
    /** Variables besides those of copilot's own environment. */
    env: Readonly<Record<string, string>>;
    /** Default: copilot's own. */
    cwd: string | undefined;
  };
}

/** `copilot interface`. */
export interface InterfaceCommand {
  kind: "interface";
  /** As `NAME:TYPE`. */
  inputs: readonly string[];
  /** Outputs as `NAME:TYPE`, or one base64. */
  words: readonly string[];
}

/** Where a setting came from. */
export interface SettingOrigin {
  name: string;
  /** As it is written; `***` for what may be a secret. */
  value: string;
  /** `flag`, `environment NAME`, `FILE:LINE` or `default`. */
  from: string;
}

/** `copilot doctor`: the set-up of a run, to be looked at. */
export interface DoctorCommand extends StoreCommand {
  kind: "doctor";
  /** Whether nothing may be written. */
  readOnly: boolean;
  /** `auto`: a table on a terminal, JSON elsewhere. */
  output: "auto" | "table" | "json";
  /** The places of the run that were given, and whether they are read (an object) or written (a prefix). */
  places: { flag: string; uri: string; use: "read" | "write" }[];
  /** Local directories that were given. */
  directories: { flag: string; path: string }[];
  /** The watchers that a sidecar with these flags would use. */
  watchers: WatcherName[];
  watchContainer: string | undefined;
  watchContainerId: string | undefined;
  kube: KubeSettings;
  /** Every setting that is not left to its default, and the defaults that choose a store. */
  settings: SettingOrigin[];
}

/** `copilot ready`. */
export interface ReadyCommand {
  kind: "ready";
}

/** `copilot version`. */
export interface VersionCommand {
  kind: "version";
}

/** Whatever is answered by a text alone: help, completion, what is known of the configuration. */
export interface PrintCommand {
  kind: "print";
  /** For standard output, with a line feed at its end. */
  text: string;
  /** The exit status. */
  status: 0 | 1;
}

/** A complete command. */
export type Command =
  | DownloadCommand
  | SidecarCommand
  | TaskCommand
  | DoctorCommand
  | InspectCommand
  | InterfaceCommand
  | ReadyCommand
  | VersionCommand
  | PrintCommand;
