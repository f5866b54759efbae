/**
 * The flags of `copilot run`: its own, and those of download and sidecar that mean something where nothing is watched.
 * @module
 */
import { type Flag, rows } from "./flag.ts";

const OWN = rows({ of: "run", group: "command" }, [
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

/**
 * The flags of `copilot run`. Shorthands are left out: download and sidecar use the same letters for different things.
 *
 * @param shared the flags of download and sidecar
 */
export function taskFlags(shared: readonly Flag[]): Flag[] {
  const taken = new Set<string>();
  const flags = shared.filter(({ name, of }) => {
    if ((of !== "download" && of !== "sidecar") || ABOUT_WATCHING.has(name) || taken.has(name)) return false;
    taken.add(name);
    return true;
  });
  return [
    ...OWN,
    ...flags.map(({ short: _short, required: _required, ...flag }): Flag => ({
      ...flag,
      of: "run",
      ...CHANGES[flag.name],
    })),
  ];
}
