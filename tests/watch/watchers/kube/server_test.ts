/**
 * The kube-api watcher against a real API server: RBAC, tokens, the server's end in the middle of a watch.
 *
 * Runs where COPILOT_TEST_KUBE and COPILOT_TEST_KUBE_DIR are set, as scripts/kube_api_server.sh prints them.
 */
import assert from "assert";
import { Buffer } from "node:buffer";
import { createSign } from "node:crypto";
import { sys } from "../../../../src/system/deno.ts";
import { PodApi, PodName } from "../../../../src/watch/watchers/kube/api.ts";
import { clusterOf } from "../../../../src/watch/watchers/kube/cluster.ts";
import { open } from "../../../../src/watch/watchers/kube/mod.ts";
import type { Watcher } from "../../../../src/watch/watcher.ts";
import { kubeAdmin } from "../../../support/kube_admin.ts";
import { fakeContext, FakeFiles, KeptLog } from "../../../support/watch_fakes.ts";
import { realTime } from "../../../support/kube_server.ts";

const url = Deno.env.get("COPILOT_TEST_KUBE");
const dir = Deno.env.get("COPILOT_TEST_KUBE_DIR");
const isMissing = url === undefined || dir === undefined;
const isRequired = Deno.env.get("CI") === "true" && Deno.env.get("COPILOT_REQUIRE_SERVERS") === "1";
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const never = () => new AbortController().signal;

const { ask, read } = kubeAdmin(url ?? "", dir ?? "");

/** A test against the server; without one it shows as ignored, which is a failure where servers are required. */
function real(name: string, fn: () => Promise<void>): void {
  const reason = isMissing ? " (needs COPILOT_TEST_KUBE)" : "";
  Deno.test({ name: `real API server: ${name}${reason}`, ignore: isMissing && !isRequired, fn });
}

let next = Date.now();

/** A namespace with a service account and a pod of its own. */
class Cluster {
  readonly namespace = `t${next++}`;
  readonly files = new FakeFiles();
  readonly log = new KeptLog();
  readonly watchers: Watcher[] = [];
  readonly context = fakeContext({
    files: this.files,
    clock: sys.clock,
    network: sys.network,
    random: () => 0.2,
    env: { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: new URL(url!).port },
    command: { kube: { podName: "p" } },
  });

  static async make({ role }: { role: Record<string, unknown> | null }): Promise<Cluster> {
    const cluster = new Cluster();
    const at = `/api/v1/namespaces/${cluster.namespace}`;
    await ask("POST", "/api/v1/namespaces", { metadata: { name: cluster.namespace } });
    await ask("POST", `${at}/serviceaccounts`, { metadata: { name: "me" } });
    await ask("POST", `${at}/pods`, {
      metadata: { name: "p" },
      spec: {
        // As Flyte's pods: a container that is started again has not ended.
        restartPolicy: "Never",
        containers: [{ name: "main", image: "x", resources: { limits: { memory: "64Mi" } } }],
      },
    });
    if (role !== null) await cluster.allow(role);
    cluster.files.texts.set(`${ACCOUNT}/token`, await cluster.token()).set(
      `${ACCOUNT}/ca.crt`,
      read("ca.crt"),
    )
      .set(`${ACCOUNT}/namespace`, cluster.namespace);
    return cluster;
  }

  async token(): Promise<string> {
    const path = `/api/v1/namespaces/${this.namespace}/serviceaccounts/me/token`;
    const { status } = await ask("POST", path, { spec: { expirationSeconds: 600 } });
    return (status as { token: string }).token;
  }

  async allow(rule: Record<string, unknown>): Promise<void> {
    const at = `/apis/rbac.authorization.k8s.io/v1/namespaces/${this.namespace}`;
    await ask("POST", `${at}/roles`, { metadata: { name: "r" }, rules: [rule] });
    await ask("POST", `${at}/rolebindings`, {
      metadata: { name: "r" },
      subjects: [{ kind: "ServiceAccount", name: "me", namespace: this.namespace }],
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "r" },
    });
  }

  /** Plays the kubelet. */
  async set(state: Record<string, unknown>): Promise<void> {
    const status = { name: "main", state, ready: false, restartCount: 0, image: "x", imageID: "x" };
    const path = `/api/v1/namespaces/${this.namespace}/pods/p/status`;
    await ask("PATCH", path, { status: { phase: "Running", containerStatuses: [status] } });
  }

  watch(): Watcher {
    const watcher = open({ ...this.context, log: this.log });
    this.watchers.push(watcher);
    return watcher;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watcher of this.watchers) watcher.close();
    await ask("DELETE", `/api/v1/namespaces/${this.namespace}/pods/p?gracePeriodSeconds=0`).catch(() => {});
  }
}

/** The least that works: one pod, by its name. */
const LEAST = { apiGroups: [""], resources: ["pods"], resourceNames: ["p"], verbs: ["list", "watch"] };

async function restart(): Promise<void> {
  const script = new URL("../../../../scripts/kube_api_server.sh", import.meta.url).pathname;
  const { success } = await new Deno.Command(script, { args: ["restart", dir!], stdout: "null" }).output();
  assert(success, "the API server did not come back");
}

/** A token that the server itself could have signed, and that is over. */
function expiredToken(namespace: string, uid: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const issuer = "https://kubernetes.default.svc";
  const text = [
    part({ alg: "RS256", typ: "JWT" }),
    part({
      iss: issuer,
      aud: [issuer],
      sub: `system:serviceaccount:${namespace}:me`,
      iat: now - 1200,
      nbf: now - 1200,
      exp: now - 600,
      "kubernetes.io": { namespace, serviceaccount: { name: "me", uid } },
    }),
  ].join(".");
  return `${text}.${createSign("RSA-SHA256").update(text).sign(read("sa.key"), "base64url")}`;
}

real("start and end with the least Role, out of memory with its limit", async () => {
  await using cluster = await Cluster.make({ role: LEAST });
  const watcher = cluster.watch();
  const start = watcher.waitForStart(never());
  const exit = watcher.waitForExit(never());
  await realTime(300);
  await cluster.set({ waiting: { reason: "ContainerCreating" } });
  await cluster.set({ running: { startedAt: new Date().toISOString() } });
  await start;
  await cluster.set({ terminated: { exitCode: 137, reason: "OOMKilled" } });
  const { outcome, exitCode, reason, message } = await exit;
  assert.deepEqual({ outcome, exitCode, reason }, { outcome: "failed", exitCode: 137, reason: "OOMKilled" });
  assert.match(message!, /memory limit 64Mi/);
});

real("a main that ended before the first look", async () => {
  await using cluster = await Cluster.make({ role: LEAST });
  await cluster.set({ terminated: { exitCode: 0, reason: "Completed" } });
  const watcher = cluster.watch();
  await watcher.waitForStart(never());
  const { outcome, exitCode } = await watcher.waitForExit(never());
  assert.deepEqual({ outcome, exitCode }, { outcome: "ended", exitCode: 0 });
});

for (
  const [what, role] of [["no Role", null], ["a Role that may only get", {
    ...LEAST,
    verbs: ["get"],
  }]] as const
) {
  real(`${what} is an error that says what the Role needs`, async () => {
    await using cluster = await Cluster.make({ role });
    await assert.rejects(cluster.watch().waitForStart(never()), {
      code: "denied",
      message: /403: pods "p" is forbidden.*expected a Role in namespace .* verbs: \[list, watch\]/,
    });
  });
}

real("a Role that comes late is waited for", async () => {
  await using cluster = await Cluster.make({ role: null });
  const start = cluster.watch().waitForStart(never());
  await cluster.allow(LEAST);
  await cluster.set({ running: {} });
  await start;
});

real("an expired token is an error, a new one in its place works", async () => {
  await using cluster = await Cluster.make({ role: LEAST });
  const { metadata } = await ask("GET", `/api/v1/namespaces/${cluster.namespace}/serviceaccounts/me`);
  const expired = expiredToken(cluster.namespace, (metadata as { uid: string }).uid);
  const good = cluster.files.texts.get(`${ACCOUNT}/token`)!;
  cluster.files.texts.set(`${ACCOUNT}/token`, expired);
  await assert.rejects(cluster.watch().waitForStart(never()), {
    code: "denied",
    message: /401.*has not expired/,
  });
  const start = cluster.watch().waitForStart(never());
  await realTime(50);
  cluster.files.texts.set(`${ACCOUNT}/token`, good);
  await cluster.set({ running: {} });
  await start;
});

real("its restart in the middle of a watch loses nothing", async () => {
  await using cluster = await Cluster.make({ role: LEAST });
  const watcher = cluster.watch();
  await cluster.set({ running: {} });
  await watcher.waitForStart(never());
  const exit = watcher.waitForExit(never());
  await realTime(300);
  await restart();
  await cluster.set({ terminated: { exitCode: 3, reason: "Error" } });
  const { outcome, exitCode } = await exit;
  assert.deepEqual({ outcome, exitCode }, { outcome: "failed", exitCode: 3 });
  assert(
    cluster.log.lines.some((line) => line.includes("watch of the pod failed")),
    "the restart was not noticed",
  );
});

real("a deleted pod is an interruption", async () => {
  await using cluster = await Cluster.make({ role: LEAST });
  const watcher = cluster.watch();
  await cluster.set({ running: {} });
  const exit = watcher.waitForExit(never());
  await realTime(300);
  await ask("DELETE", `/api/v1/namespaces/${cluster.namespace}/pods/p?gracePeriodSeconds=0`);
  assert.equal((await exit).outcome, "interrupted");
});

real("a pod that is not there, a certificate of another CA", async () => {
  await using cluster = await Cluster.make({ role: { ...LEAST, resourceNames: ["p", "q"] } });
  const other = open({ ...cluster.context, command: { localDir: "/out", kube: { podName: "q" } } });
  await assert.rejects(other.waitForStart(never()), { code: "config", message: /no such pod/ });
  other.close();
  cluster.files.texts.delete(`${ACCOUNT}/ca.crt`);
  await assert.rejects(cluster.watch().waitForStart(never()), { code: "config", message: /certificate/i });
});

real("a version that is too old leads to a new list", async () => {
  await using cluster = await Cluster.make({ role: LEAST });
  const api = new PodApi(
    cluster.context,
    await clusterOf(cluster.context),
    new PodName(cluster.namespace, "p"),
  );
  await assert.rejects(async () => {
    for await (const event of api.watch("1", never())) assert.fail(`told ${event.type}`);
  }, { code: "changed", status: 410 });
  api.close();
});
