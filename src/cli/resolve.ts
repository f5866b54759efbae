/**
 * A command line, environment and files to a complete command.
 * @module
 */
import { storageConfig } from "../config/mod.ts";
import type { DocumentKind } from "../flyte/modes.ts";
import type { CONFIG_ACTIONS, SHELLS } from "./command_table.ts";
import type { ConfigFile } from "./config_files.ts";
import { cannot } from "../errors.ts";
import type {
  Command,
  DoctorCommand,
  DownloadCommand,
  InspectCommand,
  PrintCommand,
  SidecarCommand,
  StoreCommand,
  WatcherName,
} from "./commands.ts";
import { readEntries } from "./config_yaml.ts";
import { FLAGS, flagsOf } from "./flags.ts";
import type { Invocation } from "./grammar.ts";
import { helpText } from "./help.ts";
import { Settings, type Sources } from "./settings.ts";
import { telemetrySettings } from "../telemetry/settings.ts";

/**
 * Completes a command line.
 *
 * @param env the whole environment; only the names that `environmentNames` lists are read
 * @param files what {@linkcode Invocation.configPatterns} named, in the order of merging
 * @throws CopilotError `usage` for flags, arguments and environment, `config` for files
 */
export async function resolve(
  invocation: Invocation,
  env: Readonly<Record<string, string>>,
  files: readonly ConfigFile[],
): Promise<Command> {
  const { command, help, helpAll: all, args } = invocation;
  if (command === "help") return print(helpText(args[0], { all }));
  if (help) return print(helpText(command, { all }));
  switch (command) {
    case "ready":
    case "version":
      return { kind: command };
    case "interface":
      return {
        kind: "interface",
        inputs: (invocation.flags.get("input") ?? []) as readonly string[],
        words: args,
      };
    case "completion": {
      const { completionScript } = await import("./completion/mod.ts");
      return print(completionScript(args[0] as typeof SHELLS[number]));
    }
    case "config": {
      const { configReport } = await import("./config_report.ts");
      return await configReport(args[0] as typeof CONFIG_ACTIONS[number], { invocation, env, files });
    }
  }
  assertRequired(invocation);
  const settings = new Settings({ invocation, env, entries: await readEntries(files) });
  const common = storeCommand(settings, { invocation, env });
  switch (command) {
    case "download":
      return downloadCommand(settings, common);
    case "sidecar":
      return sidecarCommand(settings, common);
    case "inspect":
      return inspectCommand(settings, common, args);
    case "doctor":
      return doctorCommand(settings, common);
    case "run":
      throw cannot("resolve a task in one piece", { internal: "it is two commands" });
  }
}

function print(text: string): PrintCommand {
  return { kind: "print", text, status: 0 };
}

function assertRequired(invocation: Invocation): void {
  const missing = flagsOf(invocation.command)
    .filter(({ name, required }) => required && (invocation.flags.get(name) ?? "") === "")
    .map(({ name }) => `--${name}`);
  if (missing.length === 0) return;
  const { command } = invocation;
  throw cannot(`${command}`, { usage: `${missing.join(", ")} missing (see copilot help ${command})` });
}

function storeCommand(
  settings: Settings,
  { invocation, env }: Pick<Sources, "invocation" | "env">,
): StoreCommand {
  settings.assertValid();
  assertNotNegative(settings, ["storage.limits.maxDownloadMBs"]);
  const { config, warnings } = storageConfig(settings);
  const muted = settings.bool("logger.mute");
  const { telemetry, warnings: odd } = telemetrySettings({
    type: settings.text("otel.type"),
    endpoint: settings.text("otel.otlphttp.endpoint"),
    parentSampler: settings.text("otel.sampler.parentSampler"),
  }, env);
  return {
    storage: config,
    log: {
      level: muted ? 0 : settings.isSet("logger.level") ? settings.number("logger.level") : "auto",
      format: settings.isSet("logger.formatter.type")
        ? settings.text("logger.formatter.type") as "json" | "text"
        : "auto",
    },
    exitOnError: settings.isSet("exit-on-error") ? settings.bool("exit-on-error") : undefined,
    memoryLimitBytes: settings.isSet("memory-limit") ? settings.number("memory-limit") : undefined,
    telemetry,
    warnings: [...warnings, ...odd, ...ignoredForKube(invocation)],
  };
}

/** Flags for a Kubernetes client which kube-api does not read: silence would leave a user searching. */
function ignoredForKube(invocation: Invocation): string[] {
  const watchers = ["start-watcher-type", "exit-watcher-type"].flatMap((name) =>
    invocation.flags.get(name) ?? []
  );
  if (!watchers.includes("kube-api")) return [];
  const ignored = FLAGS.filter(({ name, group }) =>
    group === "compatibility" && invocation.flags.has(name) && !/[._]/.test(name) && name.length > 1
  ).map(({ name }) => `--${name}`);
  return ignored.length === 0 ? [] : [`kube-api does not read ${ignored.join(", ")}: use --kubeconfig`];
}

function assertNotNegative(settings: Settings, names: readonly string[]): void {
  for (const name of names) {
    if (settings.number(name) >= 0) continue;
    throw cannot(`use --${name}`, { usage: "it is negative, expected 0 (no bound) or more" });
  }
}

function assertNames(settings: Settings, names: readonly string[]): void {
  for (const name of names) {
    if (settings.text(name) !== "") continue;
    throw cannot(`use --${name}`, { usage: "it is empty, expected a name" });
  }
}

function downloadCommand(settings: Settings, common: StoreCommand): DownloadCommand {
  assertNotNegative(settings, ["timeout"]);
  assertNames(settings, ["err-output-name"]);
  return {
    kind: "download",
    ...common,
    dryRun: settings.bool("dry-run"),
    from: settings.text("from-remote"),
    outputPrefix: settings.optionalText("to-output-prefix"),
    localDir: settings.text("to-local-dir"),
    format: settings.text("format"),
    layout: settings.text("file-input-layout"),
    mode: settings.text("download-mode") as DownloadCommand["mode"],
    timeoutMs: settings.number("timeout"),
    errOutputName: settings.text("err-output-name"),
    inputInterface: settings.bytes("input-interface"),
    verify: settings.text("verify") as DownloadCommand["verify"],
    allowLinkLocal: settings.bool("allow-link-local"),
  };
}

function sidecarCommand(settings: Settings, common: StoreCommand): SidecarCommand {
  assertNotNegative(settings, ["timeout", "start-timeout", "grace"]);
  assertNames(settings, ["err-output-name", "meta-output-name"]);
  return {
    kind: "sidecar",
    ...common,
    dryRun: settings.bool("dry-run"),
    localDir: settings.text("from-local-dir"),
    rawPrefix: settings.text("to-raw-output"),
    outputPrefix: settings.text("to-output-prefix"),
    metaOutputName: settings.text("meta-output-name"),
    errOutputName: settings.text("err-output-name"),
    interface: settings.bytes("interface"),
    mode: settings.text("upload-mode") as SidecarCommand["mode"],
    startWatchers: watchers(settings.list("start-watcher-type")),
    // The original has one watcher for both, which --start-watcher-type names.
    exitWatchers: watchers(
      settings.list(settings.isSet("exit-watcher-type") ? "exit-watcher-type" : "start-watcher-type"),
    ),
    startTimeoutMs: settings.number("start-timeout"),
    graceMs: settings.number("grace"),
    timeoutMs: settings.number("timeout"),
    watchContainer: settings.optionalText("watch-container"),
    watchContainerId: settings.optionalText("watch-container-id"),
    kube: {
      kubeconfig: settings.optionalText("kubeconfig"),
      context: settings.optionalText("context"),
      namespace: settings.optionalText("namespace"),
      podName: settings.optionalText("pod-name"),
    },
    exitAfterUpload: settings.isSet("exit-after-upload") ? settings.bool("exit-after-upload") : "auto",
  };
}

/** Names without their synonyms and without repetition. */
function watchers(names: readonly string[]): WatcherName[] {
  const canonical = names.map((name) => name === "shared-process-namespace" ? "shared-process-ns" : name);
  return [...new Set(canonical)] as WatcherName[];
}

function doctorCommand(settings: Settings, common: StoreCommand): DoctorCommand {
  const sidecar = sidecarCommand(settings, common);
  const given = (names: readonly string[]) =>
    names.map((name) => ({ flag: `--${name}`, value: settings.text(name) })).filter(({ value }) =>
      value !== ""
    );
  const places = (use: "read" | "write", names: readonly string[]) =>
    given(names).map(({ flag, value }) => ({ flag, uri: value, use }));
  return {
    kind: "doctor",
    ...common,
    readOnly: settings.bool("read-only"),
    output: settings.text("output") as DoctorCommand["output"],
    places: [...places("read", ["from-remote"]), ...places("write", ["to-output-prefix", "to-raw-output"])],
    directories: given(["to-local-dir", "from-local-dir"]).map(({ flag, value }) => ({ flag, path: value })),
    watchers: [...new Set([...sidecar.startWatchers, ...sidecar.exitWatchers])],
    watchContainer: sidecar.watchContainer,
    watchContainerId: sidecar.watchContainerId,
    kube: sidecar.kube,
    settings: settings.origins(["storage.type", "storage.stow.kind"]),
  };
}

function inspectCommand(
  settings: Settings,
  common: StoreCommand,
  documents: readonly string[],
): InspectCommand {
  const kind = settings.text("kind");
  const diff = settings.bool("diff");
  if (documents.length !== (diff ? 2 : 1)) {
    throw cannot("inspect", {
      usage: `${documents.length} documents are given, expected ${
        diff ? "two for --diff" : "one, or two with --diff"
      }`,
    });
  }
  return {
    kind: "inspect",
    ...common,
    documents,
    diff,
    sizes: settings.bool("sizes"),
    output: settings.text("output") as InspectCommand["output"],
    documentKind: kind === "auto" ? undefined : kind as DocumentKind,
  };
}
