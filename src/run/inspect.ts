/**
 * `copilot inspect`: shows what is in inputs.pb, outputs.pb, error.pb or an interface, wherever it is.
 * @module
 */
import type { InspectCommand } from "../cli/mod.ts";
import { cannot, CopilotError } from "../errors.ts";
import {
  assertKind,
  differencesOf,
  guessKind,
  type NamedDocument,
  referencesIn,
  render,
  renderAll,
  renderDifferences,
} from "../flyte/inspect/mod.ts";
import type { Difference } from "../flyte/inspect/differences.ts";
import type { ReferenceSizes } from "../flyte/inspect/references.ts";
import { Stores } from "../storage/stores.ts";
import { parseUri } from "../storage/uri.ts";
import { shownUri } from "../text/shown_uri.ts";
import { deadlineIn } from "../system/deadline.ts";
import type { System } from "../system/mod.ts";
import { sizesOf } from "./reference_sizes.ts";
import { trimEnd } from "../text/trim.ts";

export type { InspectCommand };

/** Milliseconds until a store must have answered at all: somebody is waiting. */
const ANSWER_MS = 10_000;
/** Milliseconds within which everything else is tried again. */
const TIMEOUT_MS = 600_000;
/** What a directory is looked through for; the last is the name that older versions gave the error document. */
const DOCUMENTS = ["inputs.pb", "outputs.pb", "error.pb", "errors.pb"];

/** A document to inspect: by its URI, or its bytes as they were given. */
export interface InspectSource {
  /** URI, path or another name, for messages and titles. */
  name: string;
  /** Absent for what has to be read. */
  bytes?: Uint8Array;
}

/** What inspecting takes from the world. */
export interface InspectContext {
  system: System;
  env: Readonly<Record<string, string>>;
  caCerts: string[];
  /** Tells of what was odd. */
  warn(message: string): void;
  /** Resolves once the places that these URIs name may be reached. */
  allow(uris: readonly string[]): Promise<void>;
}

/** What is printed, and the exit status: 1 for documents that differ. */
export interface Inspected {
  text: string;
  status: 0 | 1;
}

/**
 * Reads and renders documents.
 *
 * @param sources one, or the two that are compared
 * @throws CopilotError `input` for bytes that are not what they are taken for; as the store for one that cannot be read
 */
export async function inspect(
  command: InspectCommand,
  sources: readonly InspectSource[],
  context: InspectContext,
): Promise<Inspected> {
  const found: NamedDocument[][] = [];
  for (const source of sources) found.push(await documentsOf(source, command, context));
  if (command.diff) return compare(found[0]!, found[1]!, command);
  const [documents] = found;
  const shown = new Map<
    string,
    Parameters<typeof renderAll>[0] extends ReadonlyMap<string, infer D> ? D : never
  >();
  for (const { name, bytes, kind } of documents!) {
    const sizes = command.sizes ? await sizesIn({ name, bytes, kind }, command, context) : undefined;
    shown.set(lastPart(name), { bytes, kind, around: { name, ...(sizes !== undefined && { sizes }) } });
  }
  const isAlone = documents!.length === 1 && documents![0]!.name === sources[0]!.name;
  const [only] = shown.values();
  const text = isAlone
    ? render(only!.bytes, only!.kind, command.output, only!.around)
    : renderAll(shown, command.output);
  return { text, status: 0 };
}

/** Two documents, or those of two directories by their names. */
function compare(
  ones: readonly NamedDocument[],
  others: readonly NamedDocument[],
  { documents, output }: InspectCommand,
): Inspected {
  const titles = [documents[0]!, documents[1]!] as const;
  const done = (found: readonly Difference[]): Inspected => ({
    text: renderDifferences(found, titles, output),
    status: found.length === 0 ? 0 : 1,
  });
  if (ones.length === 1 && others.length === 1) return done(differencesOf(ones[0]!, others[0]!));
  const names = new Set([...ones, ...others].map(({ name }) => lastPart(name)));
  return done(
    [...names].sort().flatMap((name) => {
      const [one, other] = [ones, others].map((side) =>
        side.find((document) => lastPart(document.name) === name)
      );
      if (one === undefined) return [{ path: name, a: undefined, b: other!.kind }];
      if (other === undefined) return [{ path: name, a: one.kind, b: undefined }];
      return differencesOf(one, other).map((found) => ({ ...found, path: `${name}: ${found.path}` }));
    }),
  );
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The document that a source is, or those that it holds. */
async function documentsOf(
  { name, bytes }: InspectSource,
  command: InspectCommand,
  context: InspectContext,
): Promise<NamedDocument[]> {
  if (bytes !== undefined) return [named(name, bytes, command)];
  const read = (uri: string) => readDocument(uri, command, context);
  if (!isDirectory(name, context)) {
    try {
      return [named(name, await read(name), command)];
    } catch (thrown) {
      if (!isMissing(thrown) || DOCUMENTS.includes(lastPart(name))) throw thrown;
    }
  }
  const found: NamedDocument[] = [];
  for (const document of DOCUMENTS) {
    const uri = `${trimEnd(name, "/")}/${document}`;
    try {
      found.push(named(uri, await read(uri), command));
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
    }
  }
  if (found.length > 0) return found;
  throw cannot("inspect", shownUri(name), {
    "not-found": `there is no such document, and no ${DOCUMENTS.slice(0, 3).join(", ")} below it`,
  });
}

function named(name: string, bytes: Uint8Array, { documentKind: kind }: InspectCommand): NamedDocument {
  if (kind === undefined) return { name, bytes, kind: guessKind(name, bytes) };
  const document = { name, bytes, kind };
  assertKind(document);
  return document;
}

/** A local directory, or what is written as one. */
function isDirectory(name: string, { system }: InspectContext): boolean {
  const { scheme, key } = parseUri(name, "the document");
  return name.endsWith("/") || (scheme === "file" && system.files.stat(key)?.kind === "directory");
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof CopilotError && thrown.code === "not-found";
}

function openStores(command: InspectCommand, context: InspectContext, timeoutMs: number): Stores {
  const { system, env, caCerts, warn, allow } = context;
  const { clock, random } = system;
  return new Stores({
    config: command.storage,
    context: { system, env, caCerts, allow },
    warn,
    retry: { clock, random, deadlineMs: clock.monotonicMs() + timeoutMs },
  });
}

/** Reads a document; a store that says nothing at all is given up soon. */
async function readDocument(
  uri: string,
  command: InspectCommand,
  context: InspectContext,
): Promise<Uint8Array> {
  await context.allow([uri]);
  const { clock } = context.system;
  const bound = deadlineIn(clock, ANSWER_MS, { what: `Look at ${JSON.stringify(shownUri(uri))}` });
  const hasty = openStores(command, context, ANSWER_MS);
  try {
    const { store, key } = await hasty.at(uri, "the document");
    await store.head(key, { signal: bound.signal });
  } catch (thrown) {
    if (!bound.signal.aborted) throw thrown;
    throw cannot("read the document", shownUri(uri), {
      deadline: `the store has not answered within ${ANSWER_MS / 1000} s`,
    });
  } finally {
    bound.clear();
    await hasty.close();
  }
  const stores = openStores(command, context, TIMEOUT_MS);
  try {
    const { signal } = new AbortController();
    return await stores.read(uri, {
      what: "the document",
      maxBytes: command.storage.maxDownloadBytes,
      signal,
    });
  } finally {
    await stores.close();
  }
}

async function sizesIn(
  { bytes, kind }: NamedDocument,
  command: InspectCommand,
  context: InspectContext,
): Promise<ReferenceSizes> {
  const found = referencesIn(bytes, kind);
  await context.allow(found.map(({ uri }) => uri));
  const stores = openStores(command, context, TIMEOUT_MS);
  try {
    return await sizesOf(found, stores);
  } finally {
    await stores.close();
  }
}
