import assert from "assert";
import { buildInfo } from "../../scripts/build_info.ts";
import { temporaryDirectory } from "../support/flows.ts";

function git(cwd: string, ...args: string[]): void {
  const who = ["-c", "user.name=n", "-c", "user.email=e@example.org"];
  const env = { GIT_COMMITTER_DATE: "2026-01-31T23:30:00-0200", GIT_AUTHOR_DATE: "2020-01-01T00:00:00Z" };
  const { success, stderr } = new Deno.Command("git", { args: [...who, ...args], cwd, env }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

Deno.test("build info: the commit and its day in UTC; changes are told; outside of a repository nothing is known", async () => {
  using dir = temporaryDirectory();
  assert.equal(await buildInfo(dir.at("")), "unknown");
  git(dir.at(""), "init", "-q");
  dir.write("a", "1");
  git(dir.at(""), "add", "a");
  git(dir.at(""), "commit", "-qm", "x");
  const info = await buildInfo(dir.at(""));
  assert.match(info, /^[0-9a-f]{12} of 2026-02-01$/);
  assert.equal(await buildInfo(dir.at("")), info);
  dir.write("a", "2");
  assert.match(await buildInfo(dir.at("")), /^[0-9a-f]{12} with changes$/);
});
