/**
 * A pod, its bucket and what is left there, for one test.
 * @module
 */
import type { Bucket } from "../faults/bucket.ts";
import { openBucket, Pod, type PodOptions, watch } from "./pod.ts";
import { Result } from "./result.ts";

/** Flags for the flagship watcher in both roles. */
export const SHARED = watch("shared-process-ns");

/** What a test plays with; `await using` removes it all. */
export interface Scene extends AsyncDisposable {
  pod: Pod;
  bucket: Bucket;
  result: Result;
}

export async function scene(options: PodOptions = {}): Promise<Scene> {
  const bucket = await openBucket();
  const pod = await Pod.create(options);
  return {
    pod,
    bucket,
    result: new Result(bucket, pod),
    async [Symbol.asyncDispose]() {
      await pod[Symbol.asyncDispose]();
      bucket.close();
    },
  };
}
