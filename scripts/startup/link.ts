/**
 * Gives a thread's script what it asks for by name.
 * @module
 */
import process from "node:process";
import type { Script } from "node:vm";

/** A thread's code. */
export interface Program {
  /** For stack traces. */
  name: string;
  /** A function of its exports, `require` and the URL of the directory of everything that is embedded. */
  source: string;
  /** What V8 made of it; empty where it was not asked. */
  compiled: Uint8Array<ArrayBuffer>;
  home: string;
}

/** Runs a compiled script. */
export function linked(script: Script, { home }: Program): unknown {
  const module = { exports: {} };
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run(module, (name: string) => required(name, home), home);
  return module.exports;
}

/** A module of Node, or a library that is a file of its own. */
function required(name: string, home: string): unknown {
  if (name.startsWith("node:")) return process.getBuiltinModule(name);
  // Loading node:module takes a while, and few runs need a library.
  return process.getBuiltinModule("node:module").createRequire(home)(name);
}
