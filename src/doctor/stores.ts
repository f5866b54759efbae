/**
 * What `copilot doctor` asks of the stores: are they there, is their clock ours, may we list, read, write and delete?
 * @module
 */
import { settingsFor, type StorageConfig } from "../config/mod.ts";
import { CopilotError, type ErrorCode, explain, from } from "../errors.ts";
import { HttpClient } from "../http/client.ts";
import type { Origin } from "../http/origin.ts";
import { bytesSource, readAll } from "../storage/store.ts";
import { type ObjectLocation, Stores } from "../storage/stores.ts";
import { shownUri } from "../text/shown_uri.ts";
import { joinKey, parseUri } from "../storage/uri.ts";
import type { System } from "../system/mod.ts";
import type { Check } from "./check.ts";
import { storeFacts } from "./store_facts.ts";

/** Time for one question. */
const QUESTION_MS = 10_000;
const ATTEMPTS = 2;
/** AWS refuses requests that are older or newer than a quarter of an hour. */
const MAX_SKEW_MS = 5 * 60_000;

/** A place that a run reads from or writes to. */
export interface RunPlace {
  /** The flag that names it. */
  flag: string;
  uri: string;
  /** An object to be read, or a prefix to be written below. */
  use: "read" | "write";
}

/** What asking takes. */
export interface StoreContext {
  system: System;
  env: Readonly<Record<string, string>>;
  caCerts: string[];
  storage: StorageConfig;
  readOnly: boolean;
  /** The name of a random, unused object. */
  probeName(): string;
}

/** Everything about one place, in the order in which one thing needs the other. */
export async function checkPlace(place: RunPlace, context: StoreContext): Promise<Check[]> {
  const checks: Check[] = [];
  const { flag } = place;
  const add = (name: string, what: string): void =>
    void checks.push({ name: `${name} ${flag}`, state: "ok", what });
  let step = "settings";
  try {
    const uri = parseUri(place.uri, flag);
    const facts = storeFacts(uri, settingsFor(uri.scheme, context.storage), context.env);
    if (facts.credentials !== null) add("credentials", facts.credentials);
    if (facts.origin !== null) {
      step = "server";
      checks.push(...await checkServer(flag, facts.origin, context));
      if (checks.some(({ state }) => state === "failed")) return checks;
    }
    await withStores(context, async (stores, signal) => {
      for (const question of place.use === "read" ? [read] : context.readOnly ? [list] : [list, write]) {
        await question({ place, stores, signal, context, add, at: (name) => step = name });
      }
    });
  } catch (thrown) {
    const error = from(thrown, { action: step });
    checks.push({
      name: `${step} ${flag}`,
      state: "failed",
      what: explain(error),
      mend: mendOf(step, error),
    });
  }
  return checks;
}

async function withStores(
  { system, env, caCerts, storage }: StoreContext,
  ask: (stores: Stores, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { clock, random } = system;
  const stores = new Stores({
    config: storage,
    context: { system, env, caCerts, allow: () => Promise.resolve() },
    warn: () => {},
    retry: { clock, random, attempts: ATTEMPTS, deadlineMs: clock.monotonicMs() + QUESTION_MS },
  });
  const bound = new AbortController();
  clock.sleep(QUESTION_MS * ATTEMPTS, bound.signal).then(
    () => bound.abort(new CopilotError("timeout", `No answer within ${QUESTION_MS * ATTEMPTS / 1000} s`)),
    () => {},
  );
  try {
    await ask(stores, bound.signal);
  } catch (thrown) {
    throw bound.signal.aborted ? bound.signal.reason : thrown;
  } finally {
    bound.abort();
    await stores.close();
  }
}

interface Question {
  place: RunPlace;
  stores: Stores;
  signal: AbortSignal;
  context: StoreContext;
  add(name: string, what: string): void;
  /** Says what is being done, should it fail. */
  at(step: string): void;
}

async function read({ place, stores, signal, add, at }: Question): Promise<void> {
  at("read");
  const { store, key } = await stores.at(place.uri, place.flag);
  const { size } = await store.head(key, { signal });
  add("read", `"${shownUri(place.uri)}" has ${size} bytes`);
}

async function list({ place, stores, signal, add, at }: Question): Promise<void> {
  at("list");
  const { store, key } = await stores.at(joinKey(place.uri, ""), place.flag);
  const { objects } = await store.list(key, { signal });
  add(
    "list",
    `"${shownUri(place.uri)}" can be listed${objects.length === 0 ? "" : " and holds objects already"}`,
  );
}

async function write({ place, stores, signal, context, add, at }: Question): Promise<void> {
  at("write");
  const target = await stores.at(joinKey(place.uri, context.probeName()), place.flag);
  const bytes = new TextEncoder().encode("copilot doctor: may be deleted");
  await target.store.put(target.key, bytesSource(bytes), { signal });
  add("write", "a probe object was written");
  try {
    at("read back");
    await readBack(target, bytes, signal);
    add("read back", "the probe object is what was written");
  } finally {
    at("delete");
    await target.store.delete(target.key, { signal });
    add("delete", "the probe object was deleted");
  }
}

async function readBack(
  { store, key }: ObjectLocation,
  wanted: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const { body } = await store.get(key, { signal });
  const tooLarge = () => new CopilotError("integrity", "The probe object is larger than what was written");
  const got = await readAll(body, wanted.length, tooLarge);
  if (got.length === wanted.length && got.every((byte, index) => byte === wanted[index])) return;
  throw new CopilotError("integrity", "The probe object is not what was written");
}

/** Connects, which checks the certificate, and compares clocks. */
async function checkServer(flag: string, origin: Origin, context: StoreContext): Promise<Check[]> {
  const { system, env, caCerts } = context;
  const { clock } = system;
  const http = new HttpClient({
    network: system.network,
    clock,
    env,
    caCerts,
    connectTimeoutMs: QUESTION_MS,
    headTimeoutMs: QUESTION_MS,
  });
  try {
    const reply = await http.request({
      method: "GET",
      origin,
      path: "/",
      headers: [],
      object: origin.key,
      signal: new AbortController().signal,
    });
    reply.body.close();
    const server: Check = {
      name: `server ${flag}`,
      state: "ok",
      what: `${origin.key} answers${origin.secure ? ", its certificate is trusted" : ""}`,
    };
    return [server, clockCheck(flag, reply.headers.get("date"), clock.nowMs())];
  } finally {
    http.close();
  }
}

function clockCheck(flag: string, date: string | undefined, nowMs: number): Check {
  const name = `clock ${flag}`;
  const serverMs = Date.parse(date ?? "");
  if (Number.isNaN(serverMs)) return { name, state: "no", what: "the server does not tell its time" };
  const seconds = Math.round((nowMs - serverMs) / 1000);
  const what = Math.abs(seconds) <= 1
    ? "as the server's"
    : `${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} the server's`;
  if (Math.abs(nowMs - serverMs) <= MAX_SKEW_MS) return { name, state: "ok", what };
  return {
    name,
    state: "failed",
    what,
    mend: "set the node's clock (NTP): signed requests are refused when it is wrong",
  };
}

const MENDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  "not-found": "create it, or correct the URI",
  "config": "correct the setting that the message names",
  "usage": "correct the flag that the message names",
  "input": "correct the URI",
  "unsupported": "use a scheme that the message lists",
  "network": "check endpoint, DNS and NetworkPolicy between this pod and the store, and its proxy",
  "timeout": "check endpoint, DNS and NetworkPolicy between this pod and the store, and its proxy",
  "unavailable": "check that the store is up; the message is its own",
  "throttled": "ask again when the store has less to do",
};

function mendOf(step: string, error: CopilotError): string {
  if (/certificate|UnknownIssuer/i.test(error.message)) {
    return "let SSL_CERT_FILE name the PEM file of the CA that signed the store's certificate";
  }
  if (error.code === "denied") {
    return `grant the right to ${step} to these credentials, or use others (docs/operating.md names the least rights)`;
  }
  return MENDS[error.code] ?? "the message says what is wrong";
}
