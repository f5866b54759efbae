/** The text of /proc, and what it says about containers: every format as a sample in tests/data/proc, and hostile ones. */
import assert from "assert";
import { isPrivateReader, membershipOf, parentOf } from "../../../src/watch/proc/cgroup.ts";
import {
  containerNameOf,
  hasMount,
  hidepidOf,
  mountOf,
  parseMountinfo,
  podUidOf,
  sharesVolume,
} from "../../../src/watch/proc/mountinfo.ts";
import { isRunning, isRuntimeStage, parseStat } from "../../../src/watch/proc/stat.ts";

const data = (name: string) => Deno.readTextFileSync(new URL(`../../data/proc/${name}`, import.meta.url));
const ID = "a1".repeat(32);
const OTHER = "b2".repeat(32);
const POD = "0f3c1a52-7d5e-4b55-9f0a-5f6f0d7b9a11";

function said(text: string, isPrivate = false): string {
  const membership = membershipOf(text, { isPrivate });
  return membership.kind === "container" ? `${membership.id} ${membership.podUid ?? "-"}` : membership.kind;
}

for (const block of data("cgroup.txt").split(/^== /m).slice(1)) {
  const [head = "", ...lines] = block.split("\n");
  const [name, reader, expected] = head.split(" | ");
  Deno.test(`cgroup: ${name}`, () => {
    assert.equal(said(lines.join("\n"), reader === "private"), expected);
  });
}

Deno.test("cgroup: a reader in a private namespace reads / for itself", () => {
  assert(isPrivateReader("4:memory:/\n0::/\n"));
  assert(!isPrivateReader(`4:memory:/\n0::/docker/${ID}\n`));
  assert(!isPrivateReader(""));
});

Deno.test("cgroup: in a pod within a pod's container, with the host's namespace, each inner container is its own", () => {
  const inner = "11111111-2222-3333-4444-555555555555";
  const node = `/kubepods/burstable/pod${POD}/${"c3".repeat(32)}`;
  for (
    const [own, main] of [
      [`${node}/kubepods/besteffort/pod${inner}/${ID}`, `${node}/kubepods/besteffort/pod${inner}/${OTHER}`],
      [
        `${node}/kubepods-pod${inner.replaceAll("-", "_")}.slice/cri-containerd-${ID}.scope`,
        `${node}/kubepods-pod${inner.replaceAll("-", "_")}.slice/cri-containerd-${OTHER}.scope`,
      ],
    ] as const
  ) {
    const reader = { isPrivate: false, parent: parentOf(`4:memory:${own}\n0::/\n`) };
    assert.deepEqual(membershipOf(`4:memory:${main}\n`, reader), {
      kind: "container",
      id: OTHER,
      podUid: inner,
    });
    assert.deepEqual(membershipOf(`4:memory:${own}\n`, reader), { kind: "container", id: ID, podUid: inner });
    // An engine within the inner main makes no container of its own.
    assert.deepEqual(membershipOf(`4:memory:${main}/docker/${"d4".repeat(32)}\n`, reader), {
      kind: "container",
      id: OTHER,
      podUid: inner,
    });
    // The outer pod's containers are another pod's.
    const outer = membershipOf(`4:memory:/kubepods/burstable/pod${POD}/${"e5".repeat(32)}\n`, reader);
    assert.equal(outer.kind === "container" && outer.podUid, POD);
  }
  assert.equal(parentOf("0::/user.slice\n"), null);
});

const HOSTILE_CGROUPS: [name: string, text: string, expected: string][] = [
  ["nothing", "", "none"],
  ["no line at all", "\0\x01\xff\n\n::::\n/", "none"],
  ["a path that is none", `0::docker/${ID}`, "none"],
  ["an id that is too long", `0::/docker/${ID}a`, "none"],
  ["an id that is too short", `0::/docker/${ID.slice(1)}`, "none"],
  ["an id in capitals", `0::/docker/${ID.toUpperCase()}`, "none"],
  ["an id in the middle of a name", `0::/evil${ID}evil`, "none"],
  ["an id as the controller", `3:${ID}:/`, "none"],
  ["an id of a slice, which holds no process", `0::/user-${ID}.slice`, "none"],
  [
    "an id below the container's, made by the container",
    `0::/kubepods/pod${POD}/${ID}/${OTHER}`,
    `${ID} ${POD}`,
  ],
  ["an id that does not follow the pod's", `0::/kubepods/pod${POD}/x/${ID}`, "none"],
  ["a pod that is none", `0::/kubepods/podabc/${ID}`, `${ID} -`],
  ["a line longer than any path", `0::/${"x".repeat(5000)}/${ID}`, "none"],
  ["a long line beside a good one", `1:cpu:/${"x".repeat(1e6)}\n0::/docker/${ID}`, `${ID} -`],
  ["a hundred thousand lines", `1:cpu:/\n`.repeat(1e5) + `0::/docker/${ID}`, `${ID} -`],
  ["a path of slashes alone", `0::${"/".repeat(4000)}`, "none"],
  ["colons in the path", `0::/a:b:c:d/docker-${ID}.scope`, `${ID} -`],
];

for (const [name, text, expected] of HOSTILE_CGROUPS) {
  Deno.test(`cgroup, hostile: ${name}`, () => assert.equal(said(text), expected));
}

for (const line of data("stat.txt").split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
  const [expected = "", text = ""] = line.split("\t");
  Deno.test(`stat: ${text.slice(0, 24)}`, () => {
    const stat = parseStat(text)!;
    const { pid, comm, state, parentPid, threads, startTicks } = stat;
    assert.equal([pid, comm.replaceAll(" ", "_"), state, parentPid, threads, startTicks].join(" "), expected);
  });
}

Deno.test("stat: a program's name may be anything, also a line end or another process's line", () => {
  const rest = "S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0";
  for (const comm of ["", " ", "\n", "()", ")))", "9 (x) Z", "\ufffd\0"]) {
    assert.equal(parseStat(`5 (${comm}) ${rest}`)?.comm, comm);
    assert.equal(parseStat(`5 (${comm}) ${rest}`)?.startTicks, 77);
  }
});

Deno.test("stat: what is no such line is null", () => {
  const bad = [
    "",
    "5",
    "5 (sh",
    "5 (sh) ",
    "x (sh) S 0 1",
    "0 (sh) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77",
    `5 (sh) S ${"0 ".repeat(3)}`,
  ];
  for (const text of [...bad, "5 (sh) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 -7", "\0".repeat(1e6)]) {
    assert.equal(parseStat(text), null, text.slice(0, 40));
  }
});

Deno.test("stat: a zombie does not run, unless other threads of it do", () => {
  const process = { pid: 5, comm: "x", parentPid: 0, startTicks: 1 };
  assert(isRunning({ ...process, state: "S", threads: 1 }));
  assert(isRunning({ ...process, state: "D", threads: 1 }));
  assert(isRunning({ ...process, state: "Z", threads: 2 }));
  assert(!isRunning({ ...process, state: "Z", threads: 1 }));
  assert(!isRunning({ ...process, state: "X", threads: 0 }));
});

Deno.test("stat: a stage of a runtime names itself so, whatever the runtime; a program called like one does not", () => {
  for (const comm of ["runc:[2:INIT]", "runc:[1:CHILD]", "sysbox-runc:[2:", "youki:[2:INIT]"]) {
    assert(isRuntimeStage({ comm }), comm);
  }
  for (const comm of ["sh", "runc", "crun", "copilot", "3", "init", "a:[b"]) {
    assert(!isRuntimeStage({ comm }), comm);
  }
});

const mounts = parseMountinfo(data("mountinfo_main.txt"));

Deno.test("mountinfo: octal escapes, optional fields and super options are read", () => {
  assert.equal(mounts.length, 8);
  assert.deepEqual(mountOf(mounts, "/var/outputs/with blank/x"), {
    device: "0:99",
    root: "/",
    mountPoint: "/var/outputs/with blank",
    fsType: "tmpfs",
    superOptions: "rw,size=64k",
  });
  const escaped = parseMountinfo("1 0 8:1 /a\\011b\\134c\\012d\\043 /m\\134040 rw - ext4 /dev/sda rw");
  assert.equal(escaped[0]?.root, "/a\tb\\c\nd#");
  assert.equal(escaped[0]?.mountPoint, "/m\\040");
});

Deno.test("mountinfo: the mount of a path is the longest above it, of equal ones the last", () => {
  assert.equal(mountOf(mounts, "/var/outputs")?.device, "254:0");
  assert.equal(mountOf(mounts, "/var/outputs/deep/er")?.device, "254:0");
  assert.equal(mountOf(mounts, "/var/outputsX")?.mountPoint, "/");
  const covered = parseMountinfo("1 0 8:1 / /d rw - ext4 a rw\n2 0 8:2 / /d rw - ext4 b rw");
  assert.equal(mountOf(covered, "/d/x")?.device, "8:2");
  assert.equal(mountOf([], "/d"), null);
});

Deno.test("mountinfo: a volume is shared by device and root, whatever its mount point", () => {
  const own = parseMountinfo(
    `9 8 254:0 /var/lib/kubelet/pods/${POD}/volumes/kubernetes.io~empty-dir/data /elsewhere rw - ext4 /dev/vda rw`,
  );
  assert(hasMount(mounts, own[0]!));
  assert(!hasMount(mounts, { ...own[0]!, device: "254:1" }));
  assert(!hasMount(mounts, { ...own[0]!, root: own[0]!.root + "2" }));
});

Deno.test("mountinfo: kubelet's mount of the termination message names the container and the pod", () => {
  assert.equal(containerNameOf(mounts), "main");
  assert.equal(podUidOf(mounts), POD);
});

const mount = (root: string, mountPoint: string) => `1 0 254:0 ${root} ${mountPoint} rw - ext4 /dev/vda rw`;
const LOG = "/dev/termination-log";
const NAMES: [name: string, lines: string[], expected: string | null][] = [
  ["kubelet's directory on a disk of its own", [mount(`/pods/${POD}/containers/main/1a2b`, LOG)], "main"],
  ["a node that is a container", [
    mount(`/var/lib/docker/volumes/v/_data/lib/kubelet/pods/${POD}/containers/main/1`, LOG),
  ], "main"],
  ["another path for the message", [mount(`/k/pods/${POD}/containers/main/1`, "/tmp/why")], "main"],
  ["no kubelet", [mount("/containers/main/1", LOG)], null],
  ["no uid", [mount("/pods/x/containers/main/1", LOG)], null],
  ["a volume whose inside looks like kubelet's", [
    mount(`/k/pods/${POD}/volumes/kubernetes.io~empty-dir/v/pods/${POD}/containers/evil/1`, LOG),
  ], null],
  ["two names, the usual place decides", [
    mount(`/k/pods/${POD}/containers/evil/1`, "/tmp/x"),
    mount(`/k/pods/${POD}/containers/main/1`, LOG),
  ], "main"],
  ["two names and no usual place", [
    mount(`/k/pods/${POD}/containers/a/1`, "/tmp/x"),
    mount(`/k/pods/${POD}/containers/b/1`, "/tmp/y"),
  ], null],
  ["a name that Kubernetes does not allow", [mount(`/k/pods/${POD}/containers/Ma\\040in/1`, LOG)], null],
];

for (const [name, lines, expected] of NAMES) {
  Deno.test(`mountinfo, container's name: ${name}`, () => {
    assert.equal(containerNameOf(parseMountinfo(lines.join("\n"))), expected);
  });
}

Deno.test("mountinfo: hidepid is found where it hides something", () => {
  const proc = (options: string) => parseMountinfo(`1 0 0:5 / /proc rw - proc proc ${options}`);
  assert.equal(hidepidOf(proc("rw,hidepid=invisible")), "invisible");
  assert.equal(hidepidOf(proc("rw,gid=5,hidepid=2,x")), "2");
  for (const options of ["rw", "rw,hidepid=0", "rw,hidepid=off", "rw,nohidepid=2"]) {
    assert.equal(hidepidOf(proc(options)), null);
  }
});

Deno.test("mountinfo, hostile: garbage, binary and long lines are left out", () => {
  const good = mount("/a", "/b");
  const bad = [
    "",
    "-",
    "1 0 x / / rw - ext4 a rw",
    "1 0 8:1 a /b rw - e a rw",
    "\0\xff",
    "x ".repeat(1e6),
    `1 0 8:1 / / rw ${"o ".repeat(1e5)}`,
  ];
  assert.equal(parseMountinfo([...bad, good, ...bad].join("\n")).length, 1);
});

Deno.test("mountinfo: a part of the volume is the volume, the node's disk is not", () => {
  const pod = `/var/lib/kubelet/pods/${POD}`;
  const mount = (root: string, device = "8:1") => ({
    device,
    root,
    mountPoint: "/x",
    fsType: "ext4",
    superOptions: "rw",
  });
  const volume = mount(`${pod}/volumes/kubernetes.io~empty-dir/out`);
  const own = [volume, mount(`${pod}/etc-hosts`)];
  const shares = (root: string, device?: string) => sharesVolume([mount(root, device)], volume, own);
  assert(shares(volume.root));
  assert(shares(`${volume.root}/sub`));
  assert(!shares(`${volume.root}-2`));
  assert(!shares(`${pod}/volumes/kubernetes.io~empty-dir/in`));
  assert(!shares(volume.root, "8:2"));
  for (const root of ["/", "/var/lib/kubelet", pod]) assert(!shares(root), root);
  // A disk of its own, of which a part is mounted here.
  const part = mount("/sub", "9:1");
  assert(sharesVolume([mount("/", "9:1")], part, [part, mount(`${pod}/etc-hosts`)]));
  assert(!sharesVolume([mount("/other", "9:1")], part, [part]));
});
