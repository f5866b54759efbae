/** The pods that Flyte's own plugin writes, as they are, on a real kubelet. */
import assert from "assert";
import type { Bucket } from "../faults/bucket.ts";
import { mainOf, Namespace, openBucket, statusesOf, testCluster } from "./cluster.ts";
import { type Expectation, judge } from "./judge.ts";
import { placesOf, putRecordedInputs, readExpectations, readPod } from "./recorded.ts";
import { storageSecret } from "./storage_secret.ts";

/** Pods that run at once: each waits for the kubelet most of its time. */
const PODS_AT_ONCE = 6;
const DEFAULT_BOUND_SECONDS = 40;

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
  const manifest = await readPod(name, prefix);
  const id = manifest.metadata.name;
  await namespace.apply(manifest);
  try {
    const pod = await namespace.ended(id, (expected.bound ?? DEFAULT_BOUND_SECONDS) * 1000);
    const main = mainOf(pod);
    const ran = statusesOf(pod).some((one) => one.name === main && one.state.terminated?.startedAt);
    const log = ran ? await namespace.log(id, main) : "";
    try {
      await judge(expected, { pod, log }, { bucket, places: placesOf(manifest) });
    } catch (thrown) {
      throw new Error(`${(thrown as Error).message}\n${await namespace.explain(pod)}`, { cause: thrown });
    }
  } finally {
    await namespace.delete(id, 0);
  }
}

testCluster("Flyte's recorded pods, plugin v1.15.3, v1.16.8 and v2", async (t) => {
  const expectations = await readExpectations();
  const only = new RegExp(Deno.env.get("COPILOT_TEST_PODS_ONLY") ?? "");
  const names = Object.keys(expectations).filter((name) => only.test(name));
  assert(names.length > 0);
  const bucket = await openBucket();
  const prefix = `flyte-pods-${Date.now()}`;
  await putRecordedInputs(bucket, prefix);
  const namespace = await Namespace.create(prefix);
  await namespace.apply(storageSecret("copilot-storage-config.yaml"));
  const results = new Map(names.map((name) => [name, Promise.withResolvers<void>()]));
  for (const { promise } of results.values()) promise.catch(() => {});
  // The slowest first, so that none of them runs alone at the end.
  const waiting = [...names].sort((a, b) => (expectations[b]!.bound ?? 0) - (expectations[a]!.bound ?? 0));
  const work = Array.from({ length: PODS_AT_ONCE }, async () => {
    for (let name; (name = waiting.shift()) !== undefined;) {
      const { resolve, reject } = results.get(name)!;
      await run(name, expectations[name]!, { namespace, bucket, prefix }).then(resolve, reject);
    }
  });
  for (const [name, { promise }] of results) await t.step(name, () => promise);
  await Promise.all(work);
  bucket.close();
});
