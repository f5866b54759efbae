/**
 * What the tests of transfers, flows and runs share: temporary directories, stores behind faults, commands.
 * @module
 */
import assert from "assert";
import { Buffer } from "node:buffer";
import type { DownloadCommand, SidecarCommand } from "../../src/cli/mod.ts";
import type { StorageConfig } from "../../src/config/mod.ts";
import type { ConsoleLog, Fields } from "../../src/system/log.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { bytesSource, type ObjectStore, readAll, type StoreTraits } from "../../src/storage/store.ts";
import { type ObjectLocation, Stores } from "../../src/storage/stores.ts";
import { TransferSession } from "../../src/transfer/session.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import type { Files, OpenFile, System } from "../../src/system/mod.ts";

export const MIB = 1024 * 1024;
/** A memory limit with which the pool may have its 64 slots. */
export const ROOMY_BYTES = 1024 * MIB;

/** A signal that never fires. */
export const { signal } = new AbortController();

const encoder = new TextEncoder();

/** The bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A directory that is gone when the test ends. */
export interface TemporaryDirectory extends Disposable {
  path: string;
  /** The absolute path of a name in it. */
  at(name: string): string;
  /** Writes a file, its directories made. */
  write(name: string, content: string | Uint8Array): void;
  /** Everything in it: files with their text, directories (`name/`) with null, symlinks with `-> target`. */
  tree(): Record<string, string | null>;
}

export function temporaryDirectory(): TemporaryDirectory {
  const path = Deno.makeTempDirSync({ prefix: "copilot-test-" });
  const at = (name: string) => `${path}/${name}`;
  return {
    path,
    at,
    write(name, content) {
      const file = at(name);
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeFileSync(file, typeof content === "string" ? utf8(content) : content);
    },
    tree: () => Object.fromEntries([...entriesOf(path, "")].sort(([a], [b]) => a < b ? -1 : 1)),
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

function* entriesOf(directory: string, prefix: string): Generator<[string, string | null]> {
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isSymlink) yield [prefix + name, `-> ${Deno.readLinkSync(path)}`];
    else if (!isDirectory) yield [prefix + name, Deno.readTextFileSync(path)];
    else {
      yield [`${prefix}${name}/`, null];
      yield* entriesOf(path, `${prefix}${name}/`);
    }
  }
}

/** Descriptors of this process that are open on files below a directory. */
export function openBelow(directory: string): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const target = Deno.readLinkSync(`/proc/self/fd/${name}`);
      return target.startsWith(directory) ? [target] : [];
    } catch {
      return [];
    }
  });
}

/** Pseudo-random bytes: a linear congruential generator. */
export function randomBytes(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) words[i] = state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return new Uint8Array(words.buffer, 0, length);
}

/** As `assert.deepEqual`, for megabytes. */
export function assertSame(found: Uint8Array, expected: Uint8Array): void {
  assert.equal(found.length, expected.length);
  assert(Buffer.compare(found, expected) === 0, "the bytes differ");
}

/** Objects in memory, in a store with other traits. */
export class TraitStore extends MemoryStore {
  override readonly traits: StoreTraits;

  constructor(root: string, traits: Partial<StoreTraits>) {
    super(root);
    this.traits = { ...new MemoryStore(root).traits, ...traits };
  }
}

/** Puts objects, a key to its content each. */
export async function putAll(
  store: ObjectStore,
  objects: Record<string, string | Uint8Array>,
): Promise<void> {
  for (const [key, content] of Object.entries(objects)) {
    await store.put(key, bytesSource(typeof content === "string" ? utf8(content) : content), { signal });
  }
}

/** Everything in a store as text. */
export async function objectsIn(store: ObjectStore): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { key } of (await store.list("", { signal })).objects) {
    found[key] = new TextDecoder().decode(await bytesOf(store, key));
  }
  return found;
}

/** One object's bytes. */
export async function bytesOf(store: Pick<ObjectStore, "get">, key: string): Promise<Uint8Array> {
  const got = await store.get(key, { signal });
  return await readAll(got.body, Number.MAX_SAFE_INTEGER, () => new Error("too large"));
}

/** The machine, with some of its file operations replaced. */
export function systemWith(files: Partial<Files>, system: System = sys): System {
  return { ...system, files: { ...system.files, ...files } };
}

/** The machine, with files that are made new behaving differently. */
export function systemWithNewFiles(change: (file: OpenFile, path: string) => Partial<OpenFile>): System {
  return systemWith({
    createNew(path, mode) {
      const file = sys.files.createNew(path, mode);
      return { ...file, ...change(file, path) };
    },
  });
}

/** An session of its own, and what ends it. */
export function sessionOn(
  options: { system?: System; memoryLimitBytes?: number; signal?: AbortSignal } = {},
): TransferSession {
  return new TransferSession(options.system ?? sys, {
    memoryLimitBytes: options.memoryLimitBytes ?? ROOMY_BYTES,
    signal: options.signal ?? signal,
  });
}

/** Stores that are there already, by the start of their URIs: no backend, no retries. */
export class FixedStores extends Stores {
  readonly #stores: Record<string, ObjectStore>;

  /** @param warn takes warnings; by default one fails the test */
  constructor(stores: Record<string, ObjectStore>, warn: (message: string) => void = assert.fail) {
    super({
      config: memoryConfig(),
      context: { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve() },
      warn,
      retry: { clock: sys.clock, random: () => 0, deadlineMs: Infinity },
    });
    this.#stores = stores;
  }

  // deno-lint-ignore require-await
  override async at(text: string, what: string): Promise<ObjectLocation> {
    const uri = parseUri(text, what);
    const store = this.#stores[`${uri.scheme}://${uri.container}`];
    assert(store !== undefined, `No store for ${text}`);
    return { store, key: uri.key, uri };
  }
}

/** Storage settings under which every URI of an object store is in memory. */
export function memoryConfig(): StorageConfig {
  return {
    type: "mem",
    maxDownloadBytes: 0,
    primary: { kind: "mem", values: {}, secrets: {} },
    schemes: {},
  };
}

/** An event as a {@linkcode recordingLog} got it. */
export interface Logged {
  level: string;
  message: string;
  fields: Fields;
}

/** A log that keeps its events. */
export function recordingLog(): ConsoleLog & { events: Logged[] } {
  const events: Logged[] = [];
  const at = (level: string) => (message: string, fields: Fields = {}) => {
    events.push({ level, message, fields });
  };
  return {
    events,
    error: at("error"),
    warning: at("warning"),
    info: at("info"),
    debug: at("debug"),
    trace: at("trace"),
    shows: () => true,
    summary: at("summary"),
    progress() {},
  };
}

const COMMON = {
  storage: memoryConfig(),
  log: { level: "auto", format: "auto" },
  exitOnError: false,
  memoryLimitBytes: undefined,
  telemetry: undefined,
  warnings: [],
  dryRun: false,
  timeoutMs: 0,
  errOutputName: "error.pb",
} as const;

/** `copilot download` of `mem://b/in/inputs.pb`, its error document below `mem://b/out`. */
export function downloadCommand(localDir: string, change: Partial<DownloadCommand> = {}): DownloadCommand {
  return {
    ...COMMON,
    kind: "download",
    from: "mem://b/in/inputs.pb",
    outputPrefix: "mem://b/out",
    localDir,
    format: "JSON",
    layout: "DIRECT",
    mode: "DOWNLOAD_EAGER",
    inputInterface: undefined,
    verify: "always",
    allowLinkLocal: false,
    ...change,
  };
}

/** `copilot sidecar` with raw data below `mem://b/raw` and documents below `mem://b/out`. */
export function sidecarCommand(localDir: string, change: Partial<SidecarCommand> = {}): SidecarCommand {
  return {
    ...COMMON,
    kind: "sidecar",
    localDir,
    rawPrefix: "mem://b/raw",
    outputPrefix: "mem://b/out",
    metaOutputName: "outputs.pb",
    interface: undefined,
    mode: "UPLOAD_ON_EXIT",
    startWatchers: ["noop"],
    exitWatchers: ["noop"],
    startTimeoutMs: 0,
    graceMs: 0,
    watchContainer: undefined,
    watchContainerId: undefined,
    kube: { kubeconfig: undefined, context: undefined, namespace: undefined, podName: undefined },
    exitAfterUpload: "auto",
    ...change,
  };
}
