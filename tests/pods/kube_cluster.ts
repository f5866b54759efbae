/**
 * The tests' side of a real API server (scripts/kube_api_server.sh): its administrator, and the kubelet that it lacks.
 * @module
 */
import assert from "assert";
import { parseAllDocuments } from "yaml";
import { kubeAdmin } from "../support/kube_admin.ts";
import { setting } from "./pod.ts";

/** Made when it is asked for: most pods run without an API server. */
const admin = () => kubeAdmin(setting("kube"), setting("kubeDir"));

/** A Kubernetes object as a manifest has it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  // deno-lint-ignore no-explicit-any -- manifests are what they are
  [part: string]: any;
}

const PLACES: Readonly<Record<string, string>> = {
  Pod: "/api/v1/namespaces/NS/pods",
  ServiceAccount: "/api/v1/namespaces/NS/serviceaccounts",
  Role: "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles",
  RoleBinding: "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings",
};

/** A namespace of its own, with what a kubelet would mount into a pod as its service account. */
export class Namespace implements AsyncDisposable {
  readonly name: string;
  /** This machine's directory with token, ca.crt and namespace. */
  readonly account: string;

  private constructor(name: string, account: string) {
    this.name = name;
    this.account = account;
  }

  static async create(): Promise<Namespace> {
    const name = `pods-${Deno.pid}-${Date.now()}`;
    await admin().ask("POST", "/api/v1/namespaces", { metadata: { name } });
    return new Namespace(name, await Deno.makeTempDir({ prefix: "copilot-account-" }));
  }

  /** As `kubectl apply`. */
  async apply(manifest: Manifest): Promise<void> {
    const place = PLACES[manifest.kind];
    assert(place !== undefined, manifest.kind);
    await admin().ask("POST", place.replace("NS", this.name), manifest);
  }

  /** Writes what the kubelet would mount for a service account. */
  async mount(serviceAccount: string): Promise<string[]> {
    const path = `/api/v1/namespaces/${this.name}/serviceaccounts/${serviceAccount}/token`;
    const { status } = await admin().ask("POST", path, { spec: { expirationSeconds: 600 } });
    await Deno.writeTextFile(`${this.account}/token`, (status as { token: string }).token);
    await Deno.writeTextFile(`${this.account}/ca.crt`, admin().read("ca.crt"));
    await Deno.writeTextFile(`${this.account}/namespace`, this.name);
    for (const { name } of Deno.readDirSync(this.account)) await Deno.chmod(`${this.account}/${name}`, 0o644);
    await Deno.chmod(this.account, 0o755);
    const { port } = new URL(setting("kube"));
    return [
      ...["--volume", `${this.account}:/var/run/secrets/kubernetes.io/serviceaccount:ro`],
      ...["--env", "KUBERNETES_SERVICE_HOST=127.0.0.1", "--env", `KUBERNETES_SERVICE_PORT=${port}`],
    ];
  }

  /** Plays the kubelet: reports the state of a pod's container `main`. */
  async report(pod: string, state: Record<string, unknown>): Promise<void> {
    const status = { name: "main", state, ready: false, restartCount: 0, image: "x", imageID: "x" };
    const path = `/api/v1/namespaces/${this.name}/pods/${pod}/status`;
    await admin().ask("PATCH", path, { status: { phase: "Running", containerStatuses: [status] } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.account, { recursive: true });
  }
}

/** The objects of examples/pods/kube-api.yaml. */
async function example(): Promise<Manifest[]> {
  const text = await Deno.readTextFile(new URL("../../examples/pods/kube-api.yaml", import.meta.url));
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/**
 * A namespace with the example's objects, and the flags by which the sidecar's container is in it.
 *
 * @param without kinds of objects that are left out
 */
export async function exampleCluster(
  without: readonly string[] = [],
): Promise<Namespace & { flags: string[] }> {
  const namespace = await Namespace.create();
  for (const manifest of await example()) {
    if (!without.includes(manifest.kind)) await namespace.apply(manifest);
  }
  const flags = await namespace.mount("copilot");
  flags.push("--env", "POD_NAME=kube-api", "--env", `POD_NAMESPACE=${namespace.name}`);
  return Object.assign(namespace, { flags });
}
