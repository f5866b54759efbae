/** Kills for memory, as the cgroups of both versions count them. */
import assert from "assert";
import { sys } from "../../src/system/deno.ts";
import type { Files } from "../../src/system/mod.ts";
import { OomKills } from "../../src/task/oom_kills.ts";
import { temporaryDirectory } from "../support/flows.ts";

/** The machine's files with a root of one's own. */
function rooted(root: string): Files {
  const at = (path: string) => root + path;
  return {
    ...sys.files,
    stat: (path) => sys.files.stat(at(path)),
    openRead: (path) => sys.files.openRead(at(path)),
    readHead: (path, maxBytes) => sys.files.readHead(at(path), maxBytes),
  };
}

const CASES = [
  {
    name: "version 2, the own cgroup below the mount",
    own: "0::/kubepods/pod1/c1\n",
    directory: "sys/fs/cgroup/kubepods/pod1/c1",
    counter: "memory.events",
    limit: ["memory.max", "1048576\n", 1048576],
  },
  {
    name: "version 2, the own cgroup is what is mounted",
    own: "0::/kubepods/pod1/c1\n",
    directory: "sys/fs/cgroup",
    counter: "memory.events",
    limit: ["memory.max", "max\n", null],
  },
  {
    name: "version 1",
    own: "5:cpu:/x\n4:memory:/docker/c1\n0::/\n",
    directory: "sys/fs/cgroup/memory/docker/c1",
    counter: "memory.oom_control",
    limit: ["memory.limit_in_bytes", "9223372036854771712\n", null],
  },
] as const;

for (const { name, own, directory, counter, limit: [limitFile, limit, expected] } of CASES) {
  Deno.test(`kills for memory: ${name}`, () => {
    using dir = temporaryDirectory();
    const count = (kills: number) =>
      dir.write(`${directory}/${counter}`, `low 0\noom 3\noom_kill ${kills}\n`);
    dir.write("proc/self/cgroup", own);
    dir.write(`${directory}/${limitFile}`, limit);
    count(2);
    const oomKills = OomKills.open(rooted(dir.path));
    assert.equal(oomKills.count, 0);
    assert.equal(oomKills.limitBytes, expected);
    count(4);
    assert.equal(oomKills.count, 2);
    oomKills.close();
  });
}

Deno.test("kills for memory: none where there is no counter", () => {
  using dir = temporaryDirectory();
  const oomKills = OomKills.open(rooted(dir.path));
  assert.deepEqual([oomKills.count, oomKills.limitBytes], [0, null]);
  oomKills.close();
});
