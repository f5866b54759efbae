/**
 * The pods of examples/pods as a test applies them: as they are, but for image, bucket, and what a small node needs.
 * @module
 */
import type { Bucket } from "../faults/bucket.ts";
import { putInputs } from "../pods/result.ts";
import {
  BUCKET,
  containersOf,
  fitNode,
  IMAGES,
  type Manifest,
  Namespace,
  openBucket,
  parseManifests,
} from "./cluster.ts";
import { type Expectation, judge, type Places } from "./judge.ts";
import { storageSecret } from "./storage_secret.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);

/** What the examples' task has: 42 lines, and their sorted form. */
const ROWS = Array.from({ length: 42 }, (_, i) => String(100 - i));
export const TABLE = ROWS.map((row) => `${row}\n`).join("");
const SORTED = [...ROWS].sort().map((row) => `${row}\n`).join("");

/** outputs.pb of the examples' task. */
export const OUTPUTS = {
  literals: {
    rows: { scalar: { primitive: { integer: "42" } } },
    sorted: {
      scalar: {
        blob: { metadata: { type: { format: "", dimensionality: "SINGLE" } }, uri: { text: SORTED } },
      },
    },
  },
};

/** Documents of a file below examples/. */
export async function readExample(path: string): Promise<Manifest[]> {
  return parseManifests(await Deno.readTextFile(new URL(path, EXAMPLES)));
}

function imageFor(name: string): string {
  if (name.includes("task-with-copilot")) return IMAGES.task;
  return name.includes("copilot") ? IMAGES.nonroot : IMAGES.tools;
}

/** What a test changes in the pod before it is applied. */
export type Change = (pod: Manifest) => void;

/** An example that runs in a namespace of its own, which admits restricted pods only. */
export class Example {
  readonly namespace: Namespace;
  /** The pod's. */
  readonly name: string;
  readonly bucket: Bucket;
  readonly places: Places;

  private constructor(parts: Pick<Example, "namespace" | "name" | "bucket" | "places">) {
    this.namespace = parts.namespace;
    this.name = parts.name;
    this.bucket = parts.bucket;
    this.places = parts.places;
  }

  /** @param file below examples/pods, without its ending */
  static async apply(file: string, change: Change = () => {}): Promise<Example> {
    const prefix = `${file}-${Date.now()}`;
    const namespace = await Namespace.create(prefix, { "pod-security.kubernetes.io/enforce": "restricted" });
    await namespace.apply(storageSecret("storage.yaml"));
    const bucket = await openBucket();
    await putInputs(bucket, `${prefix}/metadata/inputs.pb`, { table: TABLE });
    const manifests = await readExample(`pods/${file}.yaml`);
    const pod = manifests.find(({ kind }) => kind === "Pod")!;
    for (const container of containersOf(fitNode(pod))) {
      container.image = imageFor(container.image);
      for (const words of [container.command ?? [], container.args ?? []]) {
        for (const [at, word] of words.entries()) {
          words[at] = word.replace("s3://my-bucket/", `s3://${BUCKET}/${prefix}/`);
        }
      }
    }
    change(pod);
    for (const manifest of manifests) await namespace.apply(manifest);
    const places = { outputs: `${prefix}/metadata`, raw: `${prefix}/raw` };
    return new Example({ namespace, name: pod.metadata.name, bucket, places });
  }

  /** Waits for the pod's end and judges it. */
  async judge(expected: Expectation): Promise<void> {
    const pod = await this.namespace.ended(this.name);
    const { bucket, places } = this;
    try {
      await judge(expected, { pod, log: "" }, { bucket, places });
    } catch (thrown) {
      const why = await this.namespace.explain(pod);
      throw new Error(`${(thrown as Error).message}\n${why}`, { cause: thrown });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.namespace.delete(this.name, 0).catch(() => {});
    this.bucket.close();
  }
}
