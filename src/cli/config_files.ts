/**
 * Finds and reads the files that `--config` names.
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";
import type { Files } from "../system/mod.ts";

/** A configuration file as it was read. */
export interface ConfigFile {
  /** Its path, for messages. */
  name: string;
  text: string;
}

/** Files of one run's `--config`, in the order in which they are merged: a later one overrides an earlier one. */
export interface ConfigFiles {
  files: ConfigFile[];
  warnings: string[];
}

/** A configuration is a page of text; whatever is larger was named by mistake. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Reads what `--config` names: paths and globs (`*`, `?`, `[a-z]` within one path segment), several by comma or by
 * repetition. The matches of one glob are read in the order of their names, so that one file per key of a mounted
 * Secret merges the same way each time; directories that match are passed over (a mounted Secret's `..data` is one).
 *
 * A glob without a match gives a warning and no file: the Secret it looks at may be optional.
 *
 * @param patterns the flag's values
 * @throws CopilotError `config` for a path that names no file, a file that cannot be read, or one that is not UTF-8
 */
export function readConfigFiles(patterns: readonly string[], files: Files): ConfigFiles {
  const result: ConfigFiles = { files: [], warnings: [] };
  for (const pattern of patterns.flatMap((value) => value.split(",")).map((part) => part.trim())) {
    if (pattern === "") continue;
    const paths = isGlob(pattern) && files.stat(pattern) === null ? matches(pattern, files) : [pattern];
    if (paths.length === 0) result.warnings.push(`No file matches --config "${pattern}"`);
    for (const path of paths) result.files.push({ name: path, text: read(path, files) });
  }
  return result;
}

function read(path: string, files: Files): string {
  const found = files.stat(path);
  const refuse = (what: string, cause?: unknown) =>
    new CopilotError("config", { action: "read --config", object: path, detail: what, cause });
  if (found === null) throw refuse("it does not exist, expected a YAML file or a glob");
  if (found.kind !== "file") {
    throw refuse(`it is a ${found.kind}, expected a YAML file or a glob such as "${path}/*.yaml"`);
  }
  let bytes: Uint8Array;
  try {
    bytes = files.readFile(path, MAX_CONFIG_BYTES);
  } catch (thrown) {
    throw refuse(thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw refuse("it is not UTF-8 text", thrown);
  }
}

function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** Paths of the regular files that a glob matches, sorted by name. */
function matches(pattern: string, files: Files): string[] {
  const segments = pattern.split("/");
  const last = segments.length - 1;
  let found = [segments[0] === "" ? "/" : ""];
  for (const [index, segment] of segments.entries()) {
    if (segment === "") continue;
    found = found.flatMap((directory) => below(directory, segment, files))
      .filter((path) => files.stat(path)?.kind === (index === last ? "file" : "directory"));
  }
  return found.sort();
}

function below(directory: string, segment: string, files: Files): string[] {
  const path = (name: string) =>
    directory === "" || directory.endsWith("/") ? directory + name : `${directory}/${name}`;
  if (!isGlob(segment)) return [path(segment)];
  const wanted = segmentPattern(segment);
  const names = [...files.readDir(directory === "" ? "." : directory)].map((entry) => entry.name);
  return names.filter((name) => wanted.test(name)).map(path);
}

/** A path segment's glob as a regular expression. A `[` without its `]` stands for itself. */
function segmentPattern(segment: string): RegExp {
  const source = segment.replace(/\\.|\[\^?\]?[^\]]*\]|[\s\S]/g, (part) => {
    if (part === "*") return ".*";
    if (part === "?") return ".";
    if (part.length > 1 && part.startsWith("[")) return characterClass(part);
    return literal(part.length > 1 ? part.slice(1) : part);
  });
  try {
    return new RegExp(`^${source}$`, "su");
  } catch {
    throw cannot("use --config", segment, { config: "its [...] is no range of characters" });
  }
}

function characterClass(glob: string): string {
  const negated = glob.startsWith("[^");
  const members = glob.slice(negated ? 2 : 1, -1).replace(/[\\[\]^]/g, "\\$&");
  return `[${negated ? "^" : ""}${members}]`;
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
}
