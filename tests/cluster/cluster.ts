/**
 * A real Kubernetes of one node (scripts/kube_node.sh) as the tests use it: apply manifests, wait for pods, read their logs.
 *
 * The tests run in the node's own network, where .ci/stages/90-cluster.sh puts them.
 * @module
 */
import assert from "assert";
import { parseAllDocuments } from "yaml";
import { Bucket } from "../faults/bucket.ts";
import { type KubeAdmin, kubeAdmin, KubeError } from "../support/kube_admin.ts";

const URL_INSIDE = "https://10.99.0.1";
const POLL_MS = 200;

/** Images that the stage loads. */
export const IMAGES = {
  /** As `deno task image` makes it: root, as the original's. */
  root: "localhost/copilot:test",
  nonroot: "localhost/copilot:test-nonroot",
  /** A shell for main. */
  tools: "localhost/tools:test",
  /** The same with copilot in it. */
  task: "localhost/task:test",
} as const;

/** The bucket that the recorded inputs name. */
export const BUCKET = "flyte";

/** A Kubernetes object as a manifest has it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; deletionTimestamp?: string };
  // deno-lint-ignore no-explicit-any -- manifests are what they are
  [part: string]: any;
}

/** What the kubelet says of a container. */
export interface ContainerStatus {
  name: string;
  restartCount: number;
  containerID?: string;
  state: {
    running?: Record<string, unknown>;
    terminated?: { exitCode: number; reason?: string; message?: string; startedAt?: string | null };
  };
  lastState?: ContainerStatus["state"];
}

const PLACES: Readonly<Record<string, string>> = {
  Pod: "/api/v1/namespaces/NS/pods",
  PodTemplate: "/api/v1/namespaces/NS/podtemplates",
  Secret: "/api/v1/namespaces/NS/secrets",
  ConfigMap: "/api/v1/namespaces/NS/configmaps",
  ServiceAccount: "/api/v1/namespaces/NS/serviceaccounts",
  Role: "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles",
  RoleBinding: "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings",
  NetworkPolicy: "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies",
};

function environment(name: string): string {
  const value = Deno.env.get(name);
  assert(value !== undefined, `${name} is set`);
  return value;
}

/** Registers a test that needs the node; elsewhere it is skipped by name. */
export function testCluster(name: string, run: (t: Deno.TestContext) => Promise<void>): void {
  const missing = ["COPILOT_TEST_NODE", "COPILOT_TEST_S3"].filter((one) => !Deno.env.has(one));
  Deno.test({
    name: missing.length === 0 ? name : `${name} [needs a node: see .ci/stages/90-cluster.sh]`,
    ignore: missing.length > 0,
    fn: run,
  });
}

/** URL of the S3 server, as the tests and the pods reach it. */
export function storeUrl(): string {
  return environment("COPILOT_TEST_S3");
}

/** The tests' bucket. */
export function openBucket(): Promise<Bucket> {
  return Bucket.open(storeUrl(), BUCKET);
}

/** Documents of a manifest. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** Every container of a pod, those that run before main included. */
export function containersOf({ spec }: Manifest): Manifest["spec"][] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

/** The container that is no copilot's. */
export function mainOf(pod: Manifest): string {
  return pod["spec"].containers.find(({ name }: { name: string }) => !name.includes("copilot")).name;
}

export function statusesOf(pod: Manifest): ContainerStatus[] {
  const { initContainerStatuses = [], containerStatuses = [] } = pod["status"] ?? {};
  return [...initContainerStatuses, ...containerStatuses];
}

/**
 * What a node without a scheduler and of a few cores needs: its name in every pod, images that are not pulled, and requests that let
 * several pods run at once. Limits stay.
 */
export function fitNode(pod: Manifest): Manifest {
  pod["spec"].nodeName = "node";
  for (const container of containersOf(pod)) {
    container.imagePullPolicy = "IfNotPresent";
    container.resources = { ...container.resources, requests: { cpu: "10m", memory: "16Mi" } };
  }
  return pod;
}

/** A namespace of the node. */
export class Namespace {
  readonly name: string;
  readonly #admin: KubeAdmin = kubeAdmin(URL_INSIDE, environment("COPILOT_TEST_NODE"));

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes a namespace with what the controllers of a cluster would put into it. */
  static async create(name: string, labels: Record<string, string> = {}): Promise<Namespace> {
    const namespace = new Namespace(name);
    await namespace.#admin.ask("POST", "/api/v1/namespaces", { metadata: { name, labels } });
    await namespace.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } });
    const data = { "ca.crt": namespace.#admin.read("ca.crt") };
    await namespace.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "kube-root-ca.crt" },
      data,
    });
    return namespace;
  }

  /** As `kubectl apply` of something new. @throws KubeError where the API server refuses it, as for a field that it does not know */
  async apply(manifest: Manifest): Promise<void> {
    const place = PLACES[manifest.kind];
    assert(place !== undefined, `a place for ${manifest.kind}`);
    const body = { ...manifest, metadata: { ...manifest.metadata, namespace: this.name } };
    await this.#admin.ask("POST", `${place.replace("NS", this.name)}?fieldValidation=Strict`, body);
  }

  async pod(name: string): Promise<Manifest | null> {
    try {
      return await this.#admin.ask("GET", this.#path(name)) as unknown as Manifest;
    } catch (thrown) {
      if (thrown instanceof KubeError && thrown.status === 404) return null;
      throw thrown;
    }
  }

  /** What a container has written. */
  log(pod: string, container: string): Promise<string> {
    return this.#admin.text(`${this.#path(pod)}/log?container=${container}`);
  }

  /** @param grace seconds until SIGKILL */
  async delete(pod: string, grace: number): Promise<void> {
    await this.#admin.ask("DELETE", `${this.#path(pod)}?gracePeriodSeconds=${grace}`);
  }

  /**
   * Waits until a pod is as it should be.
   *
   * @param is takes null for a pod that is gone
   * @throws AssertionError with the containers' states when it takes longer than `boundMs`
   */
  async until(
    name: string,
    is: (pod: Manifest | null) => boolean,
    boundMs = 60_000,
  ): Promise<Manifest | null> {
    const endMs = performance.now() + boundMs;
    for (;;) {
      const pod = await this.pod(name);
      if (is(pod)) return pod;
      if (performance.now() > endMs) {
        assert.fail(`${name} after ${boundMs / 1000} s: ${JSON.stringify(pod && statusesOf(pod))}`);
      }
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }

  /** Waits until every container of a pod has ended. */
  async ended(name: string, boundMs?: number): Promise<Manifest> {
    const pod = await this.until(name, (pod) => pod !== null && hasEnded(pod), boundMs);
    return pod!;
  }

  /** What the copilots of a pod said last, for a failure's text. */
  async explain(pod: Manifest): Promise<string> {
    const lines = statusesOf(pod).filter(({ name }) => name.includes("copilot")).map(async (status) => {
      const { exitCode, reason } = status.state.terminated ?? {};
      const log = await this.log(pod.metadata.name, status.name).catch(() => "");
      const tail = log.trim().split("\n").slice(-2).join(" / ");
      return `${status.name}: exit ${exitCode ?? "-"} ${reason ?? ""}: ${tail}`;
    });
    return (await Promise.all(lines)).join("\n");
  }

  #path(pod: string): string {
    return `${PLACES["Pod"]!.replace("NS", this.name)}/${pod}`;
  }
}

function hasEnded(pod: Manifest): boolean {
  const { phase } = pod["status"];
  return (phase === "Succeeded" || phase === "Failed") &&
    statusesOf(pod).every(({ state }) => state.running === undefined);
}
