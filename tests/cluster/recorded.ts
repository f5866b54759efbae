/**
 * Pods that Flyte's own plugin wrote (tests/data/flyte-pods), with their placeholders filled in.
 * @module
 */
import type { Bucket } from "../faults/bucket.ts";
import { BUCKET, containersOf, fitNode, IMAGES, type Manifest, parseManifests, storeUrl } from "./cluster.ts";
import type { Expectation, Places } from "./judge.ts";

const DATA = new URL("../data/flyte-pods/", import.meta.url);

/** @param image the copilot's */
export async function readPod(name: string, prefix: string, image: string = IMAGES.root): Promise<Manifest> {
  const values: Record<string, string> = {
    S3_ENDPOINT: storeUrl(),
    BUCKET,
    PREFIX: prefix,
    IMAGE: image,
    TOOLS_IMAGE: IMAGES.tools,
  };
  const text = await Deno.readTextFile(new URL(`pods/${name}.yaml`, DATA));
  return fitNode(parseManifests(text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name]!))[0]!);
}

/** What must be there after each of the pods. */
export async function readExpectations(): Promise<Record<string, Expectation>> {
  return JSON.parse(await Deno.readTextFile(new URL("expect.json", DATA)));
}

/** Where a pod's copilots put its documents and data. */
export function placesOf(pod: Manifest): Places {
  return { outputs: place(pod, "--to-output-prefix"), raw: place(pod, "--to-raw-output") };
}

/** A flag's value in whatever container has it, as a key of the bucket; a pod without outputs has no uploader. */
function place(pod: Manifest, flag: string): string {
  for (const { args = [] } of containersOf(pod)) {
    const at = args.indexOf(flag);
    if (at >= 0) return new URL(args[at + 1]).pathname.slice(1).replace(/\/$/, "");
  }
  return `${pod.metadata.name}/none`;
}

/** Puts the recorded inputs where the pods of a prefix look for them. */
export async function putRecordedInputs(bucket: Bucket, prefix: string): Promise<void> {
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

async function* files(directory: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) yield* files(new URL(`${name}/`, directory));
    else yield new URL(name, directory);
  }
}
