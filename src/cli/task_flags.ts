/**
 * The flags of the commands that are made of download and sidecar: `copilot run`, without those that are about watching, and
 * `copilot doctor`.
 * @module
 */
import { type Flag, rows } from "./flag.ts";

const OWN = rows({ scope: "run", group: "command" }, [
  {
    name: "inputs",
    arg: "URI",
    help:
      "Inputs of the task: an inputs.pb, or the directory or prefix that holds it; short for --from-remote",
  },
  {
    name: "outputs",
    arg: "URI",
    help: "Prefix for everything the task puts out; short for --to-output-prefix and --to-raw-output",
  },
  {
    name: "from-pod",
    arg: "FILE",
    help:
      "Manifest of a task's pod: takes both copilots' flags, and main's command and environment, from it; " +
      "unless --outputs is given, outputs go to ./POD-outputs",
  },
]);

/** What only waiting for somebody else's container needs. */
const ABOUT_WATCHING: ReadonlySet<string> = new Set([
  "start-watcher-type",
  "exit-watcher-type",
  "start-timeout",
  "grace",
  "watch-container",
  "watch-container-id",
  "pod-name",
  "exit-after-upload",
]);

/** What is said otherwise where download and upload share a flag, or where a flag has a default here. */
const CHANGES: Readonly<Record<string, Partial<Flag>>> = {
  "timeout": { help: "Bound for the download, and for the upload; 0 for none" },
  "to-local-dir": { default: "/var/inputs" },
  "from-local-dir": {
    default: "/var/outputs",
    help: "Directory that the command writes its outputs to; made if missing",
  },
  "format": {
    help: "Document beside inputs.pb: JSON, YAML or PROTO (none)",
  },
};

const DOCTOR = rows({ scope: "doctor", group: "command" }, [
  { name: "read-only", type: "bool", help: "Write nothing: no probe object, no probe file" },
  {
    name: "output",
    arg: "FORMAT",
    short: "o",
    default: "auto",
    values: ["auto", "table", "json"],
    help: "How the findings are shown; auto: a table on a terminal, JSON elsewhere",
  },
]);

/** Flags of download and sidecar, each once, as another command's. Their shorthands mean different things, so there are none. */
function borrowed(shared: readonly Flag[], scope: Flag["scope"]): Flag[] {
  const taken = new Set<string>();
  return shared.flatMap(({ short: _short, required: _required, ...flag }) => {
    if ((flag.scope !== "download" && flag.scope !== "sidecar") || taken.has(flag.name)) return [];
    taken.add(flag.name);
    return [{ ...flag, scope }];
  });
}

/** The flags of `copilot run`. @param shared the flags of download and sidecar */
export function taskFlags(shared: readonly Flag[]): Flag[] {
  const flags = borrowed(shared, "run").filter(({ name }) => !ABOUT_WATCHING.has(name));
  return [...OWN, ...flags.map((flag) => ({ ...flag, ...CHANGES[flag.name] }))];
}

/** The flags of `copilot doctor`. @param shared the flags of download and sidecar */
export function doctorFlags(shared: readonly Flag[]): Flag[] {
  return [...DOCTOR, ...borrowed(shared, "doctor")];
}
