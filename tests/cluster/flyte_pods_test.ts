/** The pods that Flyte's own plugin writes, as they are, on a real kubelet. */
import assert from "assert";
import type { Bucket } from "../faults/bucket.ts";
import {
  BUCKET,
  containersOf,
  fitNode,
  IMAGES,
  mainOf,
  type Manifest,
  Namespace,
  openBucket,
  parseManifests,
  statusesOf,
  storeUrl,
  testCluster,
} from "./cluster.ts";
import { type Expectation, judge, type Places } from "./judge.ts";
import { storageSecret } from "./storage_secret.ts";

const DATA = new URL("../data/flyte-pods/", import.meta.url);
/** Pods that run at once: each waits for the kubelet most of its time. */
const PODS_AT_ONCE = 6;
const DEFAULT_BOUND_SECONDS = 40;

/** What a recorded pod names only by a placeholder. */
function fill(text: string, prefix: string): string {
  const values: Record<string, string> = {
    S3_ENDPOINT: storeUrl(),
    BUCKET,
    PREFIX: prefix,
    IMAGE: IMAGES.root,
    TOOLS_IMAGE: IMAGES.tools,
  };
  return text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name]!);
}

/** A flag's value in whatever container has it, as a key of the bucket. */
function place(pod: Manifest, flag: string): string {
  for (const { args = [] } of containersOf(pod)) {
    const at = args.indexOf(flag);
    if (at >= 0) return new URL(args[at + 1]).pathname.slice(1).replace(/\/$/, "");
  }
  return "none";
}

async function* files(directory: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) yield* files(new URL(`${name}/`, directory));
    else yield new URL(name, directory);
  }
}

/** Puts the recorded inputs where the pods look for them. */
async function putInputs(bucket: Bucket, prefix: string): Promise<void> {
  for await (const file of files(new URL("inputs/", DATA))) {
    const task = file.pathname.split("/").at(-1)!.replace(".pb", "");
    const key = `${prefix}/metadata/propeller/flytesnacks-development-${task}/n0/data/inputs.pb`;
    await bucket.put(key, await Deno.readFile(file));
  }
  const objects = new URL("objects/", DATA);
  for await (const file of files(objects)) {
    await bucket.put(file.pathname.slice(objects.pathname.length), await Deno.readFile(file));
  }
}

/** What the pods of a run share. */
interface Stage {
  namespace: Namespace;
  bucket: Bucket;
  prefix: string;
}

async function run(
  name: string,
  expected: Expectation,
  { namespace, bucket, prefix }: Stage,
): Promise<void> {
  const text = await Deno.readTextFile(new URL(`pods/${name}.yaml`, DATA));
  const manifest = fitNode(parseManifests(fill(text, prefix))[0]!);
  const id = manifest.metadata.name;
  await namespace.apply(manifest);
  try {
    const pod = await namespace.ended(id, (expected.bound ?? DEFAULT_BOUND_SECONDS) * 1000);
    const main = mainOf(pod);
    const ran = statusesOf(pod).some((one) => one.name === main && one.state.terminated?.startedAt);
    const places: Places = {
      outputs: place(manifest, "--to-output-prefix"),
      raw: place(manifest, "--to-raw-output"),
    };
    const log = ran ? await namespace.log(id, main) : "";
    try {
      await judge(expected, { pod, log }, { bucket, places });
    } catch (thrown) {
      throw new Error(`${(thrown as Error).message}\n${await namespace.explain(pod)}`, { cause: thrown });
    }
  } finally {
    await namespace.delete(id, 0);
  }
}

testCluster("Flyte's recorded pods, plugin v1.15.3, v1.16.8 and v2", async (t) => {
  const expectations: Record<string, Expectation> = JSON.parse(
    await Deno.readTextFile(new URL("expect.json", DATA)),
  );
  const only = new RegExp(Deno.env.get("COPILOT_TEST_PODS_ONLY") ?? "");
  const names = Object.keys(expectations).filter((name) => only.test(name));
  assert(names.length > 0);
  const bucket = await openBucket();
  const prefix = `flyte-pods-${Date.now()}`;
  await putInputs(bucket, prefix);
  const namespace = await Namespace.create(prefix);
  await namespace.apply(storageSecret("copilot-storage-config.yaml"));
  // The slowest first, so that none of them runs alone at the end.
  const waiting = [...names].sort((a, b) => (expectations[b]!.bound ?? 0) - (expectations[a]!.bound ?? 0));
  const results = new Map<string, PromiseWithResolvers<void>>(
    names.map((name) => [name, Promise.withResolvers<void>()]),
  );
  const work = Array.from({ length: PODS_AT_ONCE }, async () => {
    for (let name; (name = waiting.shift()) !== undefined;) {
      const { resolve, reject } = results.get(name)!;
      await run(name, expectations[name]!, { namespace, bucket, prefix }).then(resolve, reject);
    }
  });
  for (const { promise } of results.values()) promise.catch(() => {});
  for (const [name, { promise }] of results) await t.step(name, () => promise);
  await Promise.all(work);
  bucket.close();
});
