/**
 * What can be told of a command line that cannot be used: the document of its failure has a place as soon as that is known.
 * @module
 */
import type { DownloadCommand, SidecarCommand } from "./commands.ts";
import type { ConfigFile } from "./config_files.ts";
import { environmentNames } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import { type Invocation, parseLeniently } from "./grammar.ts";
import { resolve } from "./resolve.ts";
import { type FlagValue, parseValue } from "./values.ts";

/** Settings that the error document depends on; those of the stores and of the log come on top. */
const NEEDED: ReadonlySet<string> = new Set(["to-output-prefix", "err-output-name", "exit-on-error"]);
/** No directory: what is not known is not looked into. */
const NOWHERE = "/nonexistent";

/**
 * A command that is good for nothing but its error document, out of what is right about a command line, the environment and files;
 * null where they do not say where that document goes.
 *
 * @param files configuration files; those that could not be read are left out
 */
export async function salvage(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  files: readonly ConfigFile[],
): Promise<DownloadCommand | SidecarCommand | null> {
  try {
    const invocation = reportingPart(parseLeniently(argv));
    if (invocation.help || (invocation.command !== "download" && invocation.command !== "sidecar")) {
      return null;
    }
    const prefix = invocation.flags.get("to-output-prefix");
    if (prefix === undefined || prefix === "") return null;
    const found = await resolve(reduced(invocation, prefix), usable(env), files);
    return found.kind === "download" || found.kind === "sidecar" ? found : null;
  } catch {
    return null;
  }
}

/** Of a task, its upload: that is what tells how it ended. */
function reportingPart(invocation: Invocation): Invocation {
  if (invocation.command !== "run") return invocation;
  const flags = new Map(invocation.flags);
  const outputs = flags.get("outputs");
  if (outputs !== undefined && !flags.has("to-output-prefix")) flags.set("to-output-prefix", outputs);
  return { ...invocation, command: "sidecar", flags };
}

/** The flags that the document depends on, and stand-ins for those without which nothing is resolved. */
function reduced(invocation: Invocation, prefix: FlagValue): Invocation {
  const isNeeded = (name: string) => NEEDED.has(name) || /^(storage(?!\.limits)|logger)\./.test(name);
  const kept = [...invocation.flags].filter(([name]) => isNeeded(name));
  const standIns: [string, FlagValue][] = invocation.command === "download"
    ? [["from-remote", prefix], ["to-local-dir", NOWHERE]]
    : [["to-raw-output", prefix], ["from-local-dir", NOWHERE]];
  return { ...invocation, flags: new Map([...kept, ...standIns]) };
}

/** The environment without values that their flags do not take. */
function usable(env: Readonly<Record<string, string>>): Record<string, string> {
  const left = { ...env };
  for (const flag of FLAGS) {
    for (const name of environmentNames(flag)) {
      try {
        if (left[name]) parseValue(flag, left[name], { name, code: "usage" });
      } catch {
        delete left[name];
      }
    }
  }
  return left;
}
