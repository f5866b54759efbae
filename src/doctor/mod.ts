/**
 * `copilot doctor`: looks at everything that a run would need, and says how to mend what is not there.
 * @module
 */
import type { DoctorCommand } from "../cli/mod.ts";
import type { Log } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import type { WatcherContext } from "../watch/context.ts";
import type { SigtermCounter } from "../watch/sigterm_counter.ts";
import type { Check, Diagnosis } from "./check.ts";
import {
  checkCertificateFiles,
  checkDirectory,
  checkMemory,
  checkNamespace,
  type Machine,
} from "./machine.ts";
import { checkPlace, type RunPlace } from "./stores.ts";
import { checkWatchers } from "./watchers.ts";
import { trimEnd } from "../text/trim.ts";

/** What examining takes from the world. */
export interface DoctorContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: Log;
  terminations: SigtermCounter;
  machine: Omit<Machine, "files" | "probeName">;
  version: string;
  /** The absolute path of a given one. */
  absolute(path: string): string;
  /** PEM certificates of the files that the environment names; throws where one cannot be read. */
  caCerts(): string[];
  /** Gives up what talking to stores must not have. */
  dropRights(): void;
}

/** Examines a set-up. */
export async function examine(command: DoctorCommand, context: DoctorContext): Promise<Diagnosis> {
  const { system, env } = context;
  const probeName = () => `.copilot-doctor-${system.randomHex(12)}`;
  const machine = { ...context.machine, files: system.files, probeName, readOnly: command.readOnly };
  const certificates = checkCertificateFiles(env, system.files);
  const checks: Check[] = [
    checkMemory(machine),
    checkNamespace(machine),
    ...certificates,
    ...command.directories.flatMap(({ flag, path }) => checkDirectory(flag, context.absolute(path), machine)),
    ...await checkWatchers(new Set(command.watchers), watcherContext(command, context)),
  ];
  context.dropRights();
  const caCerts = certificates.some(({ state }) => state === "failed") ? [] : context.caCerts();
  const { storage, readOnly } = command;
  for (const place of distinct(command.places)) {
    checks.push(...await checkPlace(place, { system, env, caCerts, storage, readOnly, probeName }));
  }
  if (command.places.length === 0) {
    const what = "no URI was given: --from-remote, --to-output-prefix and --to-raw-output are examined";
    checks.push({ name: "stores", state: "no", what });
  }
  return { version: context.version, settings: command.settings, checks };
}

/** One place of each URI and use: both prefixes are often the same. */
function distinct(places: readonly RunPlace[]): RunPlace[] {
  const seen = new Map(places.map((place) => [`${place.use} ${trimEnd(place.uri, "/")}`, place]));
  return [...seen.values()];
}

function watcherContext(command: DoctorCommand, context: DoctorContext): WatcherContext {
  const { system, env, log, terminations, absolute } = context;
  const outputs = command.directories.find(({ flag }) => flag === "--from-local-dir")?.path ?? "/var/outputs";
  const { watchContainer, watchContainerId, kube } = command;
  return {
    system,
    env,
    log,
    terminations,
    command: { localDir: absolute(outputs), watchContainer, watchContainerId, kube },
  };
}
