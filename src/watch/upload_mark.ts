/**
 * The marks by which a sidecar knows what an earlier life of its own has done, begun to upload or declared the outputs: files in the
 * directory to be uploaded, which live as long as the pod and no longer. What is in the store may be an earlier try's.
 * @module
 */
import type { Log } from "../system/log.ts";
import type { Files } from "../system/mod.ts";
import { explain } from "../errors.ts";

const NAMES = { begun: ".copilot-uploading", declared: ".copilot-uploaded" } as const;
const MAX_BYTES = 64 * 1024;

/** What was done where, and in which pod. */
export interface UploadMark {
  stage: keyof typeof NAMES;
  /** Absolute path of the directory to be uploaded. */
  localDir: string;
  /** Where the outputs are declared. */
  outputs: string;
  /** The pod's name. */
  pod: string;
}

/** Whether the directory has this mark. One that cannot be read is none. */
export function hasMark(files: Files, mark: UploadMark): boolean {
  const path = `${mark.localDir}/${NAMES[mark.stage]}`;
  try {
    if (files.lstat(path)?.kind !== "file") return false;
    return new TextDecoder().decode(files.readFile(path, MAX_BYTES)) === textOf(mark);
  } catch {
    return false;
  }
}

/** Leaves the mark. Where that fails a later life of this container uploads again, or fails. */
export function leaveMark(files: Files, mark: UploadMark, log: Log): void {
  const path = `${mark.localDir}/${NAMES[mark.stage]}`;
  if (hasMark(files, mark)) return;
  try {
    files.remove(path);
    const file = files.createNew(path, 0o600);
    try {
      file.write(new TextEncoder().encode(textOf(mark)));
    } finally {
      file.close();
    }
  } catch (thrown) {
    log.debug("cannot leave a mark of the upload", { error: explain(thrown) });
  }
}

function textOf({ outputs, pod }: UploadMark): string {
  return `${JSON.stringify({ outputs, pod })}\n`;
}
