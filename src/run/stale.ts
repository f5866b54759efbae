/**
 * What an earlier download has left in the directory: a program that reads the directory would take it for an input of now.
 * @module
 */
import { quoted } from "../flyte/plan/names.ts";
import type { Log } from "../system/log.ts";
import type { Files } from "../system/mod.ts";

/** Names that the warning shows. */
const SHOWN = 8;
/** Entries of the directory that are looked at. */
const MAX_ENTRIES = 10_000;

/**
 * Whether a download has been here before.
 *
 * @param localDir the directory, before anything of it is removed
 */
export function hasEarlierInputs(files: Pick<Files, "lstat">, localDir: string): boolean {
  return files.lstat(`${localDir}/inputs.pb`) !== null;
}

/**
 * Warns of entries that belong to none of the inputs.
 *
 * @param current names of this download's variables and documents
 */
export function warnOfStale(
  localDir: string,
  current: ReadonlySet<string>,
  { files, log }: { files: Pick<Files, "readDir">; log: Log },
): void {
  const stale: string[] = [];
  let looked = 0;
  for (const { name } of files.readDir(localDir)) {
    if (++looked > MAX_ENTRIES) break;
    if (!name.startsWith(".") && !current.has(name)) stale.push(name);
  }
  if (stale.length === 0) return;
  const shown = stale.sort().slice(0, SHOWN).map(quoted).join(", ");
  const more = stale.length > SHOWN ? ` and ${stale.length - SHOWN} more` : "";
  log.warning("the directory still holds what an earlier download left and these inputs do not name", {
    directory: localDir,
    names: `${shown}${more}`,
  });
}
