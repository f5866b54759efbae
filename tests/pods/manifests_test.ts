/**
 * The pods of examples/pods, run by `podman kube play`. What podman has no notion of is replaced here, and nothing else: images and
 * bucket, the volumes (podman makes an emptyDir root's), the host's network, and native sidecars, which are played by stopping the
 * container once main has ended.
 */
import assert from "assert";
import { parseAllDocuments, stringify } from "yaml";
import { ACCESS_KEY, SECRET_KEY } from "../faults/bucket.ts";
import { Namespace } from "./kube_cluster.ts";
import { openBucket, podman, setting, testPod } from "./pod.ts";
import { putInputs, Result } from "./result.ts";
import type { Manifest } from "./kube_cluster.ts";

const EXAMPLES = new URL("../../examples/pods/", import.meta.url);

/** What the pods' task has: 42 lines, and their sorted form. */
const ROWS = Array.from({ length: 42 }, (_, i) => String(100 - i));
const TABLE = ROWS.map((row) => `${row}\n`).join("");
const SORTED = [...ROWS].sort().map((row) => `${row}\n`).join("");
const NAMES = { number: "rows", file: "sorted" };

interface Container {
  name: string;
  image: string;
  restartPolicy?: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  [part: string]: unknown;
}

/** Where a pod's containers live. */
interface Surroundings {
  volumes: unknown[];
  /** Gone with the pod. */
  directory: string;
}

/** Documents of a manifest. */
async function read(name: string): Promise<Manifest[]> {
  const text = await Deno.readTextFile(new URL(name, EXAMPLES));
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** A played pod. */
class Play implements AsyncDisposable {
  readonly name: string;
  readonly sidecar: string;
  /** The main container's, in podman. */
  readonly main: string;
  readonly #directory: string;

  private constructor(pod: { name: string; sidecar: string }, directory: string) {
    this.name = pod.name;
    this.sidecar = `${pod.name}-${pod.sidecar}`;
    this.main = `${pod.name}-main`;
    this.#directory = directory;
  }

  /** @param more changes what is not common to all examples */
  static async start(
    manifest: Manifest,
    more: (containers: Container[], surroundings: Surroundings) => void = () => {},
  ): Promise<Play> {
    const directory = await Deno.makeTempDir({ prefix: "copilot-play-" });
    const name = `${manifest.metadata.name}-${Deno.pid}`;
    const { spec } = manifest;
    const containers = [...(spec["initContainers"] ?? []), ...spec["containers"]] as Container[];
    const sidecar = containers.find(({ args }) => args?.includes("sidecar"))!.name;
    await Deno.writeTextFile(`${directory}/storage.yaml`, await storage());
    for (const one of containers) localize(one, name);
    spec["volumes"] = await Promise.all(
      spec["volumes"].map((volume: { name: string }) => hostVolume(volume, directory)),
    );
    spec["initContainers"] = containers.filter((one) => !isMain(one) && one.name !== sidecar);
    spec["containers"] = containers.filter((one) => isMain(one) || one.name === sidecar);
    spec["hostNetwork"] = true;
    manifest.metadata.name = name;
    more(containers, { volumes: spec["volumes"], directory });
    await Deno.writeTextFile(`${directory}/pod.yaml`, stringify(manifest, { aliasDuplicateObjects: false }));
    const { code, stderr } = await podman(["kube", "play", `${directory}/pod.yaml`]);
    const play = new Play({ name, sidecar }, directory);
    if (code === 0) return play;
    await play[Symbol.asyncDispose]();
    assert.fail(stderr);
  }

  /** Waits until a container has ended well. */
  async ended(container: string): Promise<void> {
    const { stdout } = await podman(["wait", container]);
    if (stdout.trim() === "0") return;
    const log = await podman(["logs", container]);
    assert.fail(`${container} ended with ${stdout.trim()}: ${log.stdout}${log.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await podman(["pod", "rm", "-f", "-t", "0", this.name]);
    await Deno.remove(this.#directory, { recursive: true });
  }
}

function isMain({ name }: Container): boolean {
  return name === "main";
}

/** The example's Secret with the tests' store. */
async function storage(): Promise<string> {
  const [document] = await read("storage.yaml");
  Object.assign(document!["storage"].stow.config, {
    access_key_id: ACCESS_KEY,
    secret_key: SECRET_KEY,
    endpoint: setting("s3"),
    disable_ssl: "true",
  });
  return stringify(document);
}

function localize(container: Container, prefix: string): void {
  container.image = container.image.includes("copilot") ? setting("image") : setting("tools");
  container["imagePullPolicy"] = "Never";
  container.args = container.args!.map((word) => word.replace("s3://my-bucket/", `s3://pods/${prefix}/`));
  delete container.restartPolicy;
}

async function hostVolume({ name }: { name: string }, directory: string): Promise<unknown> {
  const path = `${directory}/${name}`;
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o1777);
  if (name === "storage") await Deno.copyFile(`${directory}/storage.yaml`, `${path}/storage.yaml`);
  return { name, hostPath: { path, type: "Directory" } };
}

testPod("example: native-sidecar", async () => {
  const [manifest] = await read("native-sidecar.yaml");
  const bucket = await openBucket();
  const prefix = `native-sidecar-${Deno.pid}`;
  await putInputs(bucket, `${prefix}/metadata/inputs.pb`, { table: TABLE });
  await using play = await Play.start(manifest!);
  await play.ended(play.main);
  await podman(["stop", "-t", "30", play.sidecar]);
  await play.ended(play.sidecar);
  await new Result(bucket, { prefix, documents: "metadata" }, NAMES).assertSuccess(SORTED);
  bucket.close();
});

for (const name of ["shared-process-namespace", "file-protocol"]) {
  testPod(`example: ${name}`, async () => {
    const [manifest] = await read(`${name}.yaml`);
    const bucket = await openBucket();
    await using play = await Play.start(manifest!, (containers, surroundings) => {
      if (name === "shared-process-namespace") nameByMount(containers.find(isMain)!, surroundings);
    });
    await play.ended(play.main);
    await play.ended(play.sidecar);
    const prefix = `${name}-${Deno.pid}`;
    await new Result(bucket, { prefix, documents: "metadata" }, NAMES).assertSuccess(SORTED);
    bucket.close();
  });
}

/** A kubelet's mount, by which a container shows its name. */
function nameByMount(main: Container, { volumes, directory }: Surroundings): void {
  const path = `${directory}/pods/0f3c1a52-7d5e-4b55-9f0a-5f6f0d7b9a11/containers/${main.name}`;
  Deno.mkdirSync(path, { recursive: true });
  Deno.writeTextFileSync(`${path}/1a2b3c4d`, "");
  volumes.push({ name: "termination-log", hostPath: { path: `${path}/1a2b3c4d`, type: "File" } });
  main.volumeMounts.push({ name: "termination-log", mountPath: "/dev/termination-log" });
}

testPod("example: kube-api", async () => {
  const manifests = await read("kube-api.yaml");
  await using namespace = await Namespace.create();
  for (const manifest of manifests) await namespace.apply(manifest);
  await namespace.mount("copilot");
  const bucket = await openBucket();
  const pod = manifests.find(({ kind }) => kind === "Pod")!;
  const podName = pod.metadata.name;
  await using play = await Play.start(pod, (containers, { volumes }) => {
    const copilot = containers.find(({ name }) => name === "copilot")!;
    const { port } = new URL(setting("kube"));
    // What a kubelet adds, and what the downward API would say.
    copilot.env = [
      { name: "POD_NAME", value: podName },
      { name: "POD_NAMESPACE", value: namespace.name },
      { name: "KUBERNETES_SERVICE_HOST", value: "127.0.0.1" },
      { name: "KUBERNETES_SERVICE_PORT", value: port },
    ];
    volumes.push({ name: "account", hostPath: { path: namespace.account, type: "Directory" } });
    const mountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
    copilot.volumeMounts.push({ name: "account", mountPath, readOnly: true });
  });
  await namespace.report(podName, { running: {} });
  await play.ended(play.main);
  await namespace.report(podName, { terminated: { exitCode: 0, reason: "Completed" } });
  await play.ended(play.sidecar);
  const prefix = `kube-api-${Deno.pid}`;
  await new Result(bucket, { prefix, documents: "metadata" }, NAMES).assertSuccess(SORTED);
  bucket.close();
}, ["image", "tools", "s3", "kube", "kubeDir"]);
