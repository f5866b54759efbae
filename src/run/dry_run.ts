/**
 * `--dry-run`: what a download or an upload would move, with sizes and places, and nothing moved.
 *
 * The inputs' document is read, objects are looked at and prefixes listed, which is all that a store sees of it.
 * @module
 */
import type { DownloadCommand, SidecarCommand } from "../cli/mod.ts";
import { explain, from } from "../errors.ts";
import { decodeTypedInterface } from "../flyte/codec/idl.ts";
import { KeyTree, relativePathOfKey } from "../flyte/plan/keys.ts";
import type { Action, ObjectAction, PrefixAction } from "../flyte/plan/plan_download.ts";
import { planUpload } from "../flyte/plan/plan_upload.ts";
import { lengthOf } from "../flyte/text/text_bytes.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { ListPage, ObjectInfo, ObjectStore } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import { joinKey } from "../storage/uri.ts";
import { deadlineIn } from "../system/deadline.ts";
import { TransferSession } from "../transfer/session.ts";
import { openStores, type RunCommand, type RunContext } from "./context.ts";
import { planInputs } from "./download.ts";
import { countText, sizeText } from "./figures.ts";
import { firstPage, firstSpelling, loneObject } from "./locate.ts";
import { OutputDirectory } from "./output_directory.ts";
import { taskFailure } from "./task_error.ts";

/** What is counted while the plan is shown. */
class Plan {
  readonly #print: (line: string) => void;
  #files = 0;
  #bytes = 0;

  constructor(print: (text: string) => void) {
    this.#print = (line) => print(`${line}\n`);
  }

  /** A file with its size, and where it comes from and goes. */
  file(bytes: number, from: string, to: string): void {
    this.#files++;
    this.#bytes += bytes;
    this.#print(`${sizeText(bytes).padStart(9)}  ${from} -> ${to}`);
  }

  /** Something without a size. */
  note(text: string): void {
    this.#print(`${"".padStart(9)}  ${text}`);
  }

  /** The last line. @param verb `downloaded` */
  end(verb: string): void {
    this.#print(
      `Dry run: ${countText(this.#files, "file")}, ${sizeText(this.#bytes)} would be ${verb}, nothing was`,
    );
  }
}

/**
 * Shows the plan of a command.
 *
 * @returns 0, or 1 where the plan cannot be made: the run would fail the same way
 */
export async function dryRun(command: RunCommand, context: RunContext): Promise<number> {
  const { system, log } = context;
  const what = command.kind === "download" ? "Download" : "Upload";
  const session = new TransferSession(system, { memoryLimitBytes: 0, signal: context.signal });
  const deadline = deadlineIn(system.clock, command.timeoutMs, { what, spentMs: context.spentMs });
  deadline.signal.addEventListener("abort", () => session.fail(deadline.signal.reason), { once: true });
  const stores = openStores(command, context, { deadlineMs: deadline.atMs });
  const plan = new Plan(context.print);
  try {
    if (command.kind === "download") await showDownload(command, { session, stores, context, plan });
    else showUpload(command, { session, stores, context, plan });
    return 0;
  } catch (thrown) {
    log.error("the plan cannot be made", {
      error: explain(from(session.failure ?? thrown, { action: "plan" })),
    });
    return 1;
  } finally {
    deadline.clear();
    await stores.close();
  }
}

interface Tools {
  session: TransferSession;
  stores: Stores;
  context: RunContext;
  plan: Plan;
}

async function showDownload(command: DownloadCommand, tools: Tools): Promise<void> {
  const { session, stores, context: { log, allow }, plan } = tools;
  const job = { ...command, maxMetadataBytes: command.storage.maxDownloadBytes };
  const inputs = await planInputs(job, { session, stores, log, allow });
  for (const action of inputs.plan.actions) await showAction(action, tools);
  for (const { path, content } of inputs.documents) plan.file(lengthOf(content), "the inputs", path);
  plan.end("downloaded");
}

async function showAction(action: Action, tools: Tools): Promise<void> {
  switch (action.kind) {
    case "directory":
      return;
    case "write":
      return tools.plan.file(
        lengthOf((write) => action.content(write)),
        `variable ${action.variable}`,
        action.path,
      );
    case "object":
      return await showObject(action, tools);
    case "prefix":
      return await showPrefix(action, tools);
  }
}

async function showObject({ uri, variable, path }: ObjectAction, tools: Tools): Promise<void> {
  const { session: { signal }, stores, plan } = tools;
  const location = await stores.at(uri, `variable ${variable}`);
  const { result: { size } } = await firstSpelling(location, (key) => location.store.head(key, { signal }));
  plan.file(size, shownUri(uri), path);
}

async function showPrefix(action: PrefixAction, tools: Tools): Promise<void> {
  const { session: { signal }, stores, plan } = tools;
  const location = await stores.at(action.uri, `variable ${action.variable}`);
  const { store } = location;
  let empty = true;
  const show = ({ key, size }: ObjectInfo, path: string) => {
    empty = false;
    plan.file(size, shownUri(`${store.root}/${key}`), `${action.path}/${path}`);
  };
  const first = await firstPage(location, signal);
  if (first === null) {
    const lone = await loneObject(location, signal);
    if (lone !== null && lone.info.size > 0) show(lone.info, lone.name);
  } else {
    const tree = new KeyTree<() => void>({ sorted: store.traits.sortedList });
    for await (const object of objectsFrom(first, store, signal)) {
      const found = relativePathOfKey(first.prefix, object);
      if (found === null) continue;
      const isFile = found.kind === "file";
      if (isFile && object.size === 0) tree.add(found, () => show(object, found.path));
      else {
        tree.add(found);
        if (isFile) show(object, found.path);
      }
      for (const held of tree.released()) held();
    }
    for (const held of tree.rest()) held();
  }
  if (empty) plan.note(`${shownUri(action.uri)} -> ${action.path}, an empty directory`);
}

/** Every object below a prefix. */
async function* objectsFrom(
  { prefix, page }: { prefix: string; page: ListPage },
  store: ObjectStore,
  signal: AbortSignal,
): AsyncGenerator<ObjectInfo> {
  for (let at = page;;) {
    yield* at.objects;
    if (at.next === undefined) return;
    at = await store.list(prefix, { signal, token: at.next });
  }
}

function showUpload(command: SidecarCommand, { session, context, plan }: Tools): void {
  const { files } = session.system;
  const declared = taskFailure(files, command.localDir);
  if (declared !== null) {
    return plan.note(`The task has failed: ${declared.message}; nothing would be uploaded`);
  }
  const typed = command.interface === undefined ? undefined : decodeTypedInterface(command.interface);
  if (typed === undefined || (typed.outputs?.variables.length ?? 0) === 0) {
    return plan.note("The task has no outputs");
  }
  const tree = new OutputDirectory(files, command.localDir);
  const { uploads, outputs } = planUpload(typed, tree, { rawPrefix: command.rawPrefix, mode: command.mode });
  context.log.debug("planned", { variables: outputs.literals.size, uploads: uploads.length });
  for (const { kind, path, uri } of uploads) {
    const own = tree.path(path.split("/"));
    const size = (file: string) => files.stat(file)?.size ?? 0;
    if (kind === "file") plan.file(size(own), own, shownUri(uri));
    else {for (const { path, relative } of tree.walk(own)) {
        plan.file(size(path), path, shownUri(`${uri}/${relative}`));
      }}
  }
  const values = outputs.literals.size;
  plan.note(
    `${countText(values, "output")} -> ${shownUri(joinKey(command.outputPrefix, command.metaOutputName))}`,
  );
  plan.end("uploaded");
}
