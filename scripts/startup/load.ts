/**
 * Runs a thread's code within the executable. It is one script, given to V8 together with what V8 made of it when the executable was
 * built (scripts/code_cache.ts), so that a start parses and compiles nothing: a fifth of the CPU of a small run, see
 * bench/NOTES.md.
 * @module
 */
import vm from "node:vm";
import { run, unpack } from "./link.ts";

/**
 * Runs it. V8 checks that what it was given was made by itself, of this script and with these flags, and compiles the script where
 * it was not.
 *
 * @param name for stack traces
 * @param packed the file's bytes, which are gone afterwards: a module's exports live as long as its thread
 * @returns what the script exports
 */
export function load(name: string, packed: Uint8Array<ArrayBuffer>, home: string): unknown {
  const { source, compiled } = unpack(packed);
  const script = new vm.Script(source, {
    filename: name,
    ...(compiled.length > 0 && { cachedData: compiled }),
  });
  packed.buffer.transfer(0);
  return run(script, home);
}
