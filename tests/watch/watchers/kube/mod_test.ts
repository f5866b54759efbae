/** The kube-api watcher against an API server of a few lines: what a pod's status means, what a server may do to a watch. */
import assert from "assert";
import { sys } from "../../../../src/system/deno.ts";
import { mainName, mainState, type Pod } from "../../../../src/watch/watchers/kube/pod.ts";
import { open } from "../../../../src/watch/watchers/kube/mod.ts";
import type { Exit, Watcher } from "../../../../src/watch/watcher.ts";
import { fakeContext, FakeFiles } from "../../../support/watch_fakes.ts";
import { containerStatus, eventually, FakeKube, realTime } from "../../../support/kube_server.ts";

const never = () => new AbortController().signal;

interface World {
  kube: FakeKube;
  files: FakeFiles;
  context: ReturnType<typeof fakeContext>;
  watcher: Watcher;
}

async function withKube(test: (world: World) => Promise<void>, command = {}): Promise<void> {
  const kube = await FakeKube.start();
  const files = new FakeFiles();
  files.texts.set("/etc/kube/config", kube.kubeconfig).set("/etc/kube/token", "first");
  const context = fakeContext({
    files,
    clock: sys.clock,
    network: sys.network,
    random: () => 0.01,
    command: { kube: { kubeconfig: "/etc/kube/config", podName: "p" }, ...command },
  });
  const watcher = open(context);
  try {
    await test({ kube, files, context, watcher });
  } finally {
    watcher.close();
    await kube.close();
  }
}

const running = containerStatus({ running: {} });
const done = containerStatus({ terminated: { exitCode: 0, reason: "Completed" } });

function podOf(names: string[], more: Partial<Pod> = {}): Pod {
  return { spec: { containers: names.map((name) => ({ name })) }, ...more };
}

Deno.test("kube, main's name: given, annotated, or the only one that is no copilot", () => {
  assert.equal(mainName(podOf(["a", "b"]), "b"), "b");
  assert.equal(mainName(podOf(["a", "flyte-copilot-sidecar"]), null), "a");
  const annotated = (key: string) => podOf(["a", "b"], { metadata: { annotations: { [key]: "b" } } });
  assert.equal(mainName(annotated("kubectl.kubernetes.io/default-container"), null), "b");
  assert.equal(mainName(annotated("primary_container_name"), null), "b");
  const own = { name: "up", args: ["sidecar", "--from-local-dir", "/out"] };
  assert.equal(mainName({ spec: { containers: [own, { name: "a" }] } }, null), "a");
  const native: Pod = {
    spec: { containers: [{ name: "a" }], initContainers: [{ name: "b" }, { name: "c" }] },
  };
  assert.equal(mainName(native, null), "a");
  assert.equal(mainName(native, "c"), "c");
});

Deno.test("kube, main's name: what cannot be told is an error with the names", () => {
  assert.throws(() => mainName(podOf(["a", "b"]), null), {
    code: "config",
    message: /the pod has "a", "b", expected --watch-container NAME/,
  });
  assert.throws(() => mainName(podOf(["a"]), "x"), {
    code: "config",
    message: /container "x".*expected one of "a"/,
  });
  assert.throws(() => mainName({}, null), { code: "config" });
});

const STATES: [name: string, status: Pod["status"], expected: Partial<Exit> | string][] = [
  ["nothing yet", undefined, "waiting"],
  ["waiting", containerStatus({ waiting: { reason: "ContainerCreating" } }), "waiting"],
  ["waiting to be started again", containerStatus({ waiting: { reason: "CrashLoopBackOff" } }), "waiting"],
  ["running", running, "running"],
  ["another one's end", containerStatus({ terminated: { exitCode: 0 } }, "other"), "waiting"],
  ["ended well", done, { outcome: "ended", exitCode: 0, reason: "Completed" }],
  ["ended badly", containerStatus({ terminated: { exitCode: 3, reason: "Error" } }), {
    outcome: "failed",
    exitCode: 3,
    reason: "Error",
  }],
  ["out of memory", containerStatus({ terminated: { exitCode: 137, reason: "OOMKilled" } }), {
    outcome: "failed",
    exitCode: 137,
    reason: "OOMKilled",
    message: `Container "main" ended with exit code 137: OOMKilled, memory limit 64Mi`,
  }],
  ["with a termination message", containerStatus({ terminated: { exitCode: 1, message: "why\n" } }), {
    outcome: "failed",
    exitCode: 1,
    reason: "Error",
    message: `Container "main" ended with exit code 1: Error, why`,
  }],
  ["evicted, main's end known", {
    ...containerStatus({ terminated: { exitCode: 137, reason: "Error" } }),
    phase: "Failed",
    reason: "Evicted",
  }, {
    outcome: "failed",
    message: `Container "main" ended with exit code 137: Error, pod Evicted`,
  }],
  ["evicted, main's end unknown", {
    ...running,
    phase: "Failed",
    reason: "Evicted",
    message: "low on memory",
  }, {
    outcome: "interrupted",
    reason: "Evicted",
    message: `Container "main" was still running when its pod ended: Evicted: low on memory`,
  }],
  ["evicted before main ran", { phase: "Failed", reason: "Evicted" }, "never"],
];

for (const [name, status, expected] of STATES) {
  Deno.test(`kube, a pod's status: ${name}`, () => {
    const pod: Pod = {
      spec: { containers: [{ name: "main", resources: { limits: { memory: "64Mi" } } }] },
      ...(status === undefined ? {} : { status }),
    };
    const state = mainState(pod, "main");
    if (typeof expected === "string") return assert.equal(state.phase, expected);
    assert(state.phase === "ended");
    for (const [key, value] of Object.entries(expected)) assert.equal(state.exit[key as keyof Exit], value);
  });
}

Deno.test("kube watcher: one list and one watch of one pod, from the list's version", () =>
  withKube(async ({ kube, watcher }) => {
    const start = watcher.waitForStart(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.set(running);
    await start;
    assert.deepEqual(kube.requests.map(({ url }) => url), [
      "/api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Dp",
      "/api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Dp&watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=100",
    ]);
    await eventually(() => kube.watches === 0, "the end of the watch");
  }));

Deno.test("kube watcher: how main ended reaches the caller", () =>
  withKube(async ({ kube, watcher }) => {
    const exit = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.set(running);
    kube.set(containerStatus({ terminated: { exitCode: 137, reason: "OOMKilled" } }));
    const { outcome, exitCode, reason } = await exit;
    assert.deepEqual({ outcome, exitCode, reason }, {
      outcome: "failed",
      exitCode: 137,
      reason: "OOMKilled",
    });
  }));

for (const how of ["end", "break"] as const) {
  Deno.test(`kube watcher: a watch that comes to its ${how} is taken up where it was`, () =>
    withKube(async ({ kube, watcher }) => {
      const exit = watcher.waitForExit(never());
      await eventually(() => kube.watches === 1, "a watch");
      kube.set(running);
      kube.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: "555" } } });
      await realTime(50);
      kube.endWatches(how);
      await eventually(() => kube.watches === 1, "another watch");
      kube.set(done);
      assert.equal((await exit).outcome, "ended");
      const watches = kube.requests.filter(({ url }) => url.includes("watch=1")).map(({ url }) =>
        url.split("=").at(-1)
      );
      assert.deepEqual(watches, how === "end" ? ["100", "555"] : ["100", "101"]);
    }));
}

Deno.test("kube watcher: what happened while no watch was open is in the list", () =>
  withKube(async ({ kube, watcher }) => {
    const exit = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.refuseAll = { status: 503, message: "starting" };
    kube.endWatches("break");
    kube.set(done);
    await eventually(() => kube.requests.length > 4, "attempts");
    kube.refuseAll = null;
    assert.equal((await exit).outcome, "ended");
  }));

Deno.test("kube watcher: a version that is too old, as a status or as an event, leads to a new list", () =>
  withKube(async ({ kube, watcher }) => {
    kube.refusals.push(null, { status: 410, message: "too old resource version" });
    const exit = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.send({ type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } });
    await eventually(() => kube.requests.length >= 6 && kube.watches === 1, "a third list and a watch");
    kube.set(done);
    assert.equal((await exit).outcome, "ended");
    assert.equal(kube.requests.filter(({ url }) => !url.includes("watch=1")).length, 3);
  }));

Deno.test("kube watcher: the token is read again for every request", () =>
  withKube(async ({ kube, files, watcher }) => {
    const meanwhile = () => void files.texts.set("/etc/kube/token", "second\n");
    kube.refusals.push({ status: 401, message: "Unauthorized", meanwhile });
    const start = watcher.waitForStart(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.set(running);
    await start;
    assert.deepEqual(kube.requests.map(({ authorization }) => authorization), [
      "Bearer first",
      "Bearer second",
      "Bearer second",
    ]);
  }));

Deno.test("kube watcher: a token that stays refused is an error, and does not show", () =>
  withKube(async ({ kube, watcher }) => {
    kube.refuseAll = { status: 401, message: "Unauthorized" };
    await assert.rejects(watcher.waitForStart(never()), (error: Error & { code: string }) => {
      assert.equal(error.code, "denied");
      assert.match(error.message, /pod "ns\/p".*401: Unauthorized; expected a service account token/);
      assert(!error.message.includes("first"));
      return true;
    });
    assert(kube.requests.length <= 4);
  }));

for (const [what, refusals] of [["anything", []], ["the watch alone", [null]]] as const) {
  Deno.test(`kube watcher: a missing Role for ${what} is an error that says what the Role needs`, () =>
    withKube(async ({ kube, watcher }) => {
      const forbidden = { status: 403, message: `pods is forbidden: User "x" cannot watch` };
      for (let i = 0; i < 10; i++) kube.refusals.push(...refusals, forbidden);
      await assert.rejects(watcher.waitForStart(never()), {
        code: "denied",
        message: /Role in namespace "ns".*resources: \[pods\], resourceNames: \[p\], verbs: \[list, watch\]/,
      });
    }));
}

Deno.test("kube watcher: a pod that is not there is an error that names the flags", () =>
  withKube(async ({ kube, watcher }) => {
    kube.pod = null;
    await assert.rejects(watcher.waitForStart(never()), {
      code: "config",
      message: /no such pod, expected --pod-name and --namespace/,
    });
  }));

Deno.test("kube watcher: a deleted pod is an interruption when main ran", () =>
  withKube(async ({ kube, watcher }) => {
    const exit = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.set(running);
    kube.delete();
    const { outcome, reason } = await exit;
    assert.deepEqual({ outcome, reason }, { outcome: "interrupted", reason: "Deleted" });
  }));

Deno.test("kube watcher: a pod that was deleted while no watch was open, main never ran", () =>
  withKube(async ({ kube, watcher }) => {
    const exit = watcher.waitForExit(never());
    const over = assert.rejects(exit, { code: "task", message: /it was deleted/ });
    await eventually(() => kube.watches === 1, "a watch");
    kube.pod = null;
    kube.endWatches("break");
    await over;
  }));

Deno.test("kube watcher: SIGTERM waits a moment for the last report, then it is an interruption", () =>
  withKube(async ({ kube, watcher, context }) => {
    const first = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.set(running);
    context.terminations.deliver();
    await realTime(100);
    kube.set(done);
    assert.equal((await first).outcome, "ended");
  }));

Deno.test("kube watcher: SIGTERM and no report", () =>
  withKube(async ({ kube, watcher, context }) => {
    const exit = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.set(running);
    await realTime(50);
    context.terminations.deliver();
    const { outcome, reason } = await exit;
    assert.deepEqual({ outcome, reason }, { outcome: "interrupted", reason: "Terminated" });
  }));

Deno.test("kube watcher: garbage from the server is waited out", () =>
  withKube(async ({ kube, watcher }) => {
    const exit = watcher.waitForExit(never());
    await eventually(() => kube.watches === 1, "a watch");
    kube.send("not an event");
    kube.send({ type: "UNKNOWN", object: {} });
    kube.send(null);
    await eventually(() => kube.watches === 1 && kube.requests.length >= 4, "another watch");
    kube.set(done);
    assert.equal((await exit).outcome, "ended");
  }));

Deno.test("kube watcher: no service account is an error that names the setting", async () => {
  const watcher = open(fakeContext({ command: { kube: { podName: "p" } } }));
  await assert.rejects(watcher.waitForStart(never()), {
    code: "config",
    message:
      /"\/var\/run\/secrets\/kubernetes.io\/serviceaccount\/token" is missing, expected a pod with "automountServiceAccountToken: true", or --kubeconfig/,
  });
});

const BAD_CONFIGS: [name: string, text: string, message: RegExp][] = [
  ["no YAML", ": [", /Cannot parse kubeconfig/],
  ["no mapping", "[]", /not a mapping/],
  ["no context", "{}", /contexts hold no "undefined"/],
  ["an unknown context", "{current-context: x, contexts: []}", /contexts hold no "x"/],
];

for (const [name, text, message] of BAD_CONFIGS) {
  Deno.test(`kube watcher: a kubeconfig with ${name} is an error`, async () => {
    const files = new FakeFiles();
    files.texts.set("/k", text);
    const watcher = open(fakeContext({ files, command: { kube: { kubeconfig: "/k", podName: "p" } } }));
    await assert.rejects(watcher.waitForStart(never()), { code: "config", message });
  });
}

Deno.test("kube watcher: a kubeconfig whose user is not a token is refused by name", () =>
  withKube(async ({ kube, files, watcher }) => {
    files.texts.set("/etc/kube/config", kube.kubeconfig.replace(`"tokenFile":"token"`, `"exec":{}`));
    await assert.rejects(watcher.waitForStart(never()), {
      code: "unsupported",
      message: /exec is not supported, expected a token/,
    });
  }));

Deno.test("kube, a pod's status: a failure is not final while kubelet will start main again", () => {
  const failed = containerStatus({ terminated: { exitCode: 3, reason: "Error" } });
  const backOff: Pod["status"] = {
    phase: "Running",
    containerStatuses: [{
      name: "main",
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 3, reason: "Error" } },
    }],
  };
  const phase = (status: Pod["status"], spec: Pod["spec"], metadata: Pod["metadata"] = {}) =>
    mainState({ metadata, spec, status } as Pod, "main").phase;
  const containers = [{ name: "main" }];
  for (const restartPolicy of ["OnFailure", "Always"]) {
    const spec = { restartPolicy, containers };
    const state = mainState({ spec, status: failed! }, "main");
    assert.equal(state.phase === "running" && state.last?.exitCode, 3);
    assert.equal(phase(backOff, spec), "running");
    assert.equal(phase(done, spec), "ended");
    assert.equal(phase({ ...failed, phase: "Failed" }, spec), "ended");
    assert.equal(phase(failed, spec, { deletionTimestamp: "2026-01-01T00:00:00Z" }), "ended");
    assert.equal(
      phase(failed, { restartPolicy, containers: [{ name: "main", restartPolicy: "Never" }] }),
      "ended",
    );
  }
  assert.equal(phase(failed, { restartPolicy: "Never", containers }), "ended");
  assert.equal(phase(failed, { containers }), "ended");
});

Deno.test("kube watcher: the end after a second life counts, and at SIGTERM the first one's failure", () =>
  withKube(async ({ kube, context, watcher }) => {
    kube.pod!.spec!.restartPolicy = "OnFailure";
    let isOver = false;
    const exit = watcher.waitForExit(never()).finally(() => isOver = true);
    kube.set(containerStatus({ terminated: { exitCode: 3, reason: "Error" } }));
    await eventually(
      () => context.log.lines.some((line) => line.includes("kubelet starts it again")),
      "the first life's failure",
    );
    assert.equal(isOver, false);
    context.terminations.deliver();
    assert.deepEqual([(await exit).outcome, (await exit).exitCode], ["failed", 3]);
  }));

Deno.test("kube watcher: a token that the server repeats shows nowhere, however it is written", async () => {
  const token = "eyJhbGciOiJSUzI1NiJ9.Secret+Part";
  for (const message of [token, `Bearer ${token}`, encodeURIComponent(token), `${"x".repeat(990)}${token}`]) {
    await withKube(async ({ kube, files, context, watcher }) => {
      files.texts.set("/etc/kube/token", token);
      kube.refuseAll = { status: 403, message };
      const error = await watcher.waitForStart(never()).then(() => null, (thrown) => thrown as Error);
      const said = `${error?.message} ${watcher.describe()} ${context.log.lines.join("\n")}`;
      assert(!said.includes("Secret+Part") && !said.includes("Secret%2BPart"), said);
      assert(said.includes("answered 403"), said);
    });
  }
});

Deno.test("kube watcher: a server's message is told in part where it is long", () =>
  withKube(async ({ kube, watcher }) => {
    kube.refuseAll = { status: 403, message: "y".repeat(60_000) };
    const error = await watcher.waitForStart(never()).then(() => null, (thrown) => thrown as Error);
    assert(error!.message.length < 2500, String(error!.message.length));
  }));
