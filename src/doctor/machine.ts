/**
 * What `copilot doctor` looks at on the machine: memory, directories, process namespace, certificates.
 * @module
 */
import { explain } from "../errors.ts";
import { headText } from "../system/head_text.ts";
import type { MemoryLimits } from "../system/memory_limits.ts";
import type { Files } from "../system/mod.ts";
import type { Check } from "./check.ts";

const MIB = 1024 * 1024;
/** The peak of a run, measured (docs/benchmarks are made with it), and what is told to be too little. */
const NEEDED_BYTES = 110 * MIB;
/** Less than this holds no inputs worth the name. */
const MIN_FREE_BYTES = 16 * MIB;

/** The machine, as far as these checks look at it. */
export interface Machine {
  files: Files;
  /** Bytes that may still be written where a path is. */
  freeBytes(path: string): number;
  limits: MemoryLimits;
  /** Whether this process is the first of its PID namespace. */
  isFirstProcess: boolean;
  /** `name` of a random, unused file. */
  probeName(): string;
}

/** The memory limit and the cgroup that it is read from. */
export function checkMemory({ files, limits }: Machine): Check {
  const bytes = limits.memoryLimitBytes;
  const cgroup = headText(files, "/proc/self/cgroup", 64 * 1024)?.split("\n").find((line) =>
    /^0::|:memory:/.test(line)
  );
  const what = `${Math.round(bytes / MIB)} MiB to use, cgroup ${cgroup ?? "unknown"}`;
  if (bytes >= NEEDED_BYTES) return { name: "memory", state: "ok", what };
  return {
    name: "memory",
    state: "failed",
    what,
    mend: `give the container at least 128 MiB (resources.limits.memory: 128Mi), or set --memory-limit`,
  };
}

/** Whether the container's processes are alone. */
export function checkNamespace({ isFirstProcess }: Machine): Check {
  const what = isFirstProcess
    ? "this process is the first of its own PID namespace"
    : "the PID namespace is shared with other processes";
  return { name: "namespaces", state: "ok", what };
}

/** A local directory: there, a directory, and writable with room in it. */
export function checkDirectory(
  flag: string,
  path: string,
  machine: Machine & { readOnly: boolean },
): Check[] {
  const { files } = machine;
  const name = `directory ${flag}`;
  const failed = (what: string, mend: string): Check[] => [{ name, state: "failed", what, mend }];
  const found = files.stat(path);
  if (found === null) {
    const parent = nearestDirectory(files, path);
    if (machine.readOnly) return [{ name, state: "no", what: `"${path}" is not there yet` }];
    const why = writeFault(parent, machine);
    return why === null
      ? [
        { name, state: "ok", what: `"${path}" is not there yet and can be made` },
        checkSpace(flag, parent, machine),
      ]
      : failed(`"${path}" cannot be made: ${why}`, mendOf(flag, parent));
  }
  if (found.kind !== "directory") {
    return failed(
      `"${path}" is a ${found.kind}`,
      `name a directory with ${flag}, or remove what has its name`,
    );
  }
  const why = machine.readOnly ? null : writeFault(path, machine);
  if (why !== null) return failed(`"${path}" cannot be written to: ${why}`, mendOf(flag, path));
  const what = machine.readOnly ? `"${path}" is there` : `"${path}" can be written to`;
  return [{ name, state: "ok", what }, checkSpace(flag, path, machine)];
}

function mendOf(flag: string, path: string): string {
  return `mount a writable volume at "${path}", give this user the right to write to it (fsGroup), or name another with ${flag}`;
}

function checkSpace(flag: string, path: string, machine: Machine): Check {
  const name = `free space ${flag}`;
  let bytes: number;
  try {
    bytes = machine.freeBytes(path);
  } catch (thrown) {
    return { name, state: "no", what: `cannot be told: ${explain(thrown)}` };
  }
  const what = `${Math.floor(bytes / MIB)} MiB free in "${path}"`;
  if (bytes >= MIN_FREE_BYTES) return { name, state: "ok", what };
  return { name, state: "failed", what, mend: "free some space, or give the volume a larger sizeLimit" };
}

/** What is wrong about writing into a directory; null where it works. */
function writeFault(directory: string, { files, probeName }: Machine): string | null {
  const probe = `${directory === "/" ? "" : directory}/${probeName()}`;
  try {
    files.createNew(probe, 0o600).close();
    files.remove(probe);
    return null;
  } catch (thrown) {
    return explain(thrown);
  }
}

function nearestDirectory(files: Files, path: string): string {
  let at = path;
  while (at !== "/" && files.stat(at) === null) at = at.slice(0, at.lastIndexOf("/")) || "/";
  return at;
}

/** Files of certificates that the environment names. */
export function checkCertificateFiles(env: Readonly<Record<string, string>>, files: Files): Check[] {
  return ["SSL_CERT_FILE", "AWS_CA_BUNDLE"].flatMap((variable): Check[] => {
    const path = env[variable];
    if (path === undefined || path === "") return [];
    const name = `certificates ${variable}`;
    try {
      const text = new TextDecoder().decode(files.readFile(path, 4 * MIB));
      const count = text.split("-----BEGIN CERTIFICATE-----").length - 1;
      if (count > 0) return [{ name, state: "ok", what: `${count} in "${path}"` }];
      return [{
        name,
        state: "failed",
        what: `"${path}" holds none`,
        mend: `let ${variable} name a file of PEM certificates`,
      }];
    } catch (thrown) {
      return [{ name, state: "failed", what: explain(thrown), mend: `mount the file, or unset ${variable}` }];
    }
  });
}
