/**
 * `copilot config`: which configuration files are read, whether they can be used, and which keys there are.
 * @module
 */
import { type KindName, KINDS, storageConfig, STOW_KINDS } from "../config/mod.ts";
import { explain } from "../errors.ts";
import type { CONFIG_ACTIONS } from "./command_table.ts";
import type { PrintCommand } from "./commands.ts";
import type { ConfigFile } from "./config_files.ts";
import { readEntries } from "./config_yaml.ts";
import { environmentNames, type Flag, isConfigKey } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import type { Invocation } from "./grammar.ts";
import { Settings } from "./settings.ts";

/** What a report is made from. */
export interface ConfigSources {
  invocation: Invocation;
  env: Readonly<Record<string, string>>;
  files: readonly ConfigFile[];
}

/** Carries `copilot config` out. A configuration that cannot be used ends in status 1. */
export async function configReport(
  action: typeof CONFIG_ACTIONS[number],
  sources: ConfigSources,
): Promise<PrintCommand> {
  switch (action) {
    case "validate":
      return await validation(sources);
    case "discover":
      return { kind: "print", text: discovery(sources.files), status: 0 };
    case "docs":
      return { kind: "print", text: documentation(), status: 0 };
  }
}

function discovery(files: readonly ConfigFile[]): string {
  if (files.length === 0) return "No configuration file is read: --config names them\n";
  return files.map(({ name }) => `${name}\n`).join("");
}

/** Each file by itself, then all of them together with flags and environment. */
async function validation({ invocation, env, files }: ConfigSources): Promise<PrintCommand> {
  const lines: string[] = [];
  let problems = 0;
  const check = async (name: string, look: () => Promise<readonly string[]>) => {
    try {
      const warnings = await look();
      lines.push(...warnings.map((warning) => `${name}: warning: ${warning}`), `${name}: valid`);
    } catch (thrown) {
      problems++;
      lines.push(`${name}: ${explain(thrown)}`);
    }
  };
  const settingsOf = async (
    some: readonly ConfigFile[],
    around: Pick<ConfigSources, "invocation" | "env">,
  ) => {
    const settings = new Settings({ ...around, entries: await readEntries(some) });
    settings.assertValid();
    return storageConfig(settings).warnings;
  };
  const alone = { invocation: { ...invocation, flags: new Map() }, env: {} };
  for (const file of files) await check(file.name, () => settingsOf([file], alone));
  if (problems === 0) {
    await check("flags, environment and files together", () => settingsOf(files, { invocation, env }));
  }
  return { kind: "print", text: `${lines.join("\n")}\n`, status: problems === 0 ? 0 : 1 };
}

/** A configuration file with every key: those with a default at it, the others as comments. */
function documentation(): string {
  const tree: Section = new Map();
  for (const flag of FLAGS.filter(isConfigKey)) {
    const path = flag.name.split(".");
    const last = path.pop()!;
    let at = tree;
    for (const part of path) {
      if (!(at.get(part) instanceof Map)) at.set(part, new Map());
      at = at.get(part) as Section;
    }
    at.set(last, flag);
  }
  const head =
    "# Every key of copilot's configuration files with its default. What has none stands in a comment.\n";
  return head + sectionText(tree, "");
}

type Section = Map<string, Section | Flag>;

function sectionText(section: Section, indent: string): string {
  return [...section].map(([key, value]) =>
    value instanceof Map
      ? `${indent}${key}:\n${sectionText(value, `${indent}  `)}`
      : value.type === "stringToString"
      ? storeText(value, indent)
      : keyText(key, value, indent)
  ).join("");
}

function keyText(key: string, flag: Flag, indent: string): string {
  const values = flag.values === undefined ? flag.type : `one of ${flag.values.join(", ")}`;
  const help = flag.help === "" ? "Accepted for the original's sake and ignored" : flag.help;
  const text = flag.type === "string" ? JSON.stringify(flag.default) : flag.default;
  return `${indent}# ${help} (${values}; environment ${environmentNames(flag).join(", ")})\n` +
    (flag.default === "" ? `${indent}# ${key}:\n` : `${indent}${key}: ${text}\n`);
}

/** `stow.config`: which keys there are depends on the kind. */
function storeText({ help }: Flag, indent: string): string {
  const kinds = STOW_KINDS.map((kind) => {
    const keys = Object.entries(KINDS[kind as KindName].keys);
    return `${indent}  # ${kind}\n${
      keys.map(([key, meaning]) => `${indent}  #   ${key}: ${meaning}\n`).join("")
    }`;
  });
  return `${indent}# ${help}\n${indent}config:\n${kinds.join("")}`;
}
