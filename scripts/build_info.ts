/**
 * Which commit an executable is built from. Derived from the commit alone, so that two builds of one commit are the same bytes.
 * @module
 */

/** What git says, without the line feed at its end; null where it says nothing. */
async function git(root: string, args: readonly string[]): Promise<string | null> {
  try {
    const options = { args: ["-C", root, ...args], env: { TZ: "UTC" }, stderr: "null" as const };
    const { success, stdout } = await new Deno.Command("git", options).output();
    return success ? new TextDecoder().decode(stdout).trimEnd() : null;
  } catch {
    return null;
  }
}

/**
 * The commit's short name and the day of the commit in UTC: `a1b2c3d4e5f6 of 2026-01-31`; `a1b2c3d4e5f6 with changes` for sources
 * that no commit has, `unknown` outside of a repository.
 *
 * @param root the project's directory
 */
export async function buildInfo(root: string): Promise<string> {
  const commit = await git(root, ["rev-parse", "--short=12", "HEAD"]);
  if (commit === null) return "unknown";
  const changes = await git(root, ["status", "--porcelain", "--untracked-files=no"]);
  if (changes !== "") return `${commit} with changes`;
  return `${commit} of ${await git(root, ["log", "-1", "--date=format-local:%Y-%m-%d", "--format=%cd"])}`;
}

/** A commit. */
export interface Commit {
  /** Its full name. */
  id: string;
  /** When it was made, in seconds of Unix time. */
  seconds: number;
}

/** The commit that is checked out; null outside of a repository. @param root the project's directory */
export async function commit(root: string): Promise<Commit | null> {
  const text = await git(root, ["log", "-1", "--format=%H %ct"]);
  if (text === null) return null;
  const [id, seconds] = text.split(" ");
  return { id: id!, seconds: Number(seconds) };
}
