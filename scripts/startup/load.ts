/**
 * Runs a thread's code within the executable. It is one script, given to V8 together with what V8 made of it when the executable was
 * built (scripts/code_cache.ts), so that a start parses and compiles nothing: a fifth of the CPU of a small run, see
 * bench/NOTES.md.
 * @module
 */
import vm from "node:vm";
import { linked, type Program } from "./link.ts";

/**
 * Runs it. V8 checks that what it was given was made by itself, of this script and with these flags, and compiles the script where
 * it was not.
 *
 * @returns what the script exports
 */
export function load(program: Program): unknown {
  const { name, source, compiled } = program;
  const options = { filename: name, ...(compiled.length > 0 && { cachedData: compiled }) };
  const script = new vm.Script(source, options);
  // Frees it: a module's exports live as long as its thread.
  compiled.buffer.transfer(0);
  return linked(script, program);
}
