/** examples/kustomize: what Flyte makes of its PodTemplate, in a namespace that admits restricted pods only. */
import assert from "assert";
import {
  containersOf,
  IMAGES,
  mainOf,
  type Manifest,
  Namespace,
  openBucket,
  parseManifests,
  statusesOf,
  testCluster,
} from "./cluster.ts";
import { judge } from "./judge.ts";
import { placesOf, putRecordedInputs, readExpectations, readPod } from "./recorded.ts";

const EXAMPLE = new URL("../../examples/kustomize/restricted/", import.meta.url);

async function render(): Promise<Manifest[]> {
  const kubectl = Deno.env.get("COPILOT_TEST_KUBECTL");
  assert(kubectl !== undefined, "COPILOT_TEST_KUBECTL is set");
  const { success, stdout, stderr } = await new Deno.Command(kubectl, {
    args: ["kustomize", EXAMPLE.pathname],
  })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  return parseManifests(new TextDecoder().decode(stdout));
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** As Flyte lays what it makes over a template: its fields win, lists are joined, structures merged. */
function merge(template: Fields, made: Fields): Fields {
  const out = { ...template };
  for (const [name, value] of Object.entries(made)) {
    const below = out[name];
    if (Array.isArray(below) && Array.isArray(value)) out[name] = [...below, ...value];
    else out[name] = isFields(below) && isFields(value) ? merge(below, value) : value;
  }
  return out;
}

function applyTemplate(pod: Manifest, { template }: Manifest): void {
  const { initContainers, containers, ...rest } = template.spec;
  const { spec } = pod;
  const over = (name: string, list: Fields[]) => (one: Fields) =>
    merge(list.find((candidate) => candidate["name"] === name) ?? {}, one);
  spec.initContainers = spec.initContainers.map(over("default-init", initContainers));
  spec.containers = spec.containers.map(over("default", containers));
  pod["spec"] = merge(rest, spec);
  // The tools' image belongs to root; a task's image would say this itself.
  spec.containers.find(({ name }: Fields) => name === mainOf(pod)).securityContext.runAsUser = 1000;
}

/** A namespace for restricted pods, with the template's PodTemplate in it as the API server keeps it. */
async function restricted(prefix: string): Promise<{ namespace: Namespace; template: Manifest }> {
  const namespace = await Namespace.create(prefix, { "pod-security.kubernetes.io/enforce": "restricted" });
  const manifests = await render();
  for (const manifest of manifests) await namespace.apply(manifest);
  return { namespace, template: manifests.find(({ kind }) => kind === "PodTemplate")! };
}

testCluster(
  "a recorded pod with the PodTemplate of examples/kustomize runs in a restricted namespace",
  async () => {
    const name = "v2.stow.types";
    const prefix = `pod-template-${Date.now()}`;
    const bucket = await openBucket();
    await putRecordedInputs(bucket, prefix);
    const { namespace, template } = await restricted(prefix);
    const manifest = await readPod(name, prefix, IMAGES.nonroot);
    await assert.rejects(namespace.apply(manifest), /violates PodSecurity/);
    applyTemplate(manifest, template);
    await namespace.apply(manifest);
    const pod = await namespace.ended(manifest.metadata.name);
    const log = await namespace.log(manifest.metadata.name, mainOf(pod));
    const expected = (await readExpectations())[name]!;
    await judge(expected, { pod, log }, { bucket, places: placesOf(manifest) });
    bucket.close();
  },
);

testCluster(
  "EXIT_ON_ERROR from the PodTemplate: a pod whose inputs are missing never starts its main",
  async () => {
    const prefix = `pod-template-error-${Date.now()}`;
    const bucket = await openBucket();
    const { namespace, template } = await restricted(prefix);
    const manifest = await readPod("v2.stow.types", prefix, IMAGES.nonroot);
    applyTemplate(manifest, template);
    const inits = containersOf(manifest).filter(({ name }) => name.includes("copilot"));
    assert.equal(inits.length, 2);
    for (const { env } of inits) assert.deepEqual(env, [{ name: "EXIT_ON_ERROR", value: "true" }]);
    await namespace.apply(manifest);
    const pod = await namespace.ended(manifest.metadata.name);
    const main = statusesOf(pod).find(({ name }) => name === mainOf(pod))!;
    assert.equal(main.state.terminated?.startedAt ?? null, null, "main did not start");
    const expected = { phase: "Failed", error: { origin: "SYSTEM", message: ["inputs.pb"] } };
    await judge(expected, { pod, log: "" }, { bucket, places: placesOf(manifest) });
    bucket.close();
  },
);
