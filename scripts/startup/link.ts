/**
 * A thread's code as the executable holds it, and how it gets what it asks for by name.
 * @module
 */
import process from "node:process";
import type { Script } from "node:vm";

/** Before what V8 has compiled; as long as the alignment that V8 wants for it. */
const HEAD_BYTES = 8;

/** A thread's code. */
export interface Code {
  /** A function of its module, `require` and the URL of the directory of everything that is embedded. */
  source: string;
  /** What V8 made of it; empty where it was not asked. */
  compiled: Uint8Array<ArrayBuffer>;
}

/** Makes one file of a thread's code: one that is read at a start costs less than two, and than modules a good deal less. */
export function pack(source: string, compiled: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(source);
  const packed = new Uint8Array(HEAD_BYTES + compiled.length + text.length);
  new DataView(packed.buffer).setUint32(0, compiled.length);
  packed.set(compiled, HEAD_BYTES);
  packed.set(text, HEAD_BYTES + compiled.length);
  return packed;
}

/** Undoes {@linkcode pack}; what is compiled stays where it is. */
export function unpack(packed: Uint8Array<ArrayBuffer>): Code {
  const end = HEAD_BYTES + new DataView(packed.buffer, packed.byteOffset).getUint32(0);
  return {
    source: new TextDecoder().decode(packed.subarray(end)),
    compiled: packed.subarray(HEAD_BYTES, end),
  };
}

/** Runs a compiled script, and gives what it exports. @param home URL of a file in the directory of everything that is embedded */
export function run(script: Script, home: string): unknown {
  const module = { exports: {} };
  const main = script.runInThisContext() as (...given: unknown[]) => void;
  main(module, (name: string) => required(name, home), home);
  return module.exports;
}

/** A module of Node, or a library that is a file of its own. */
function required(name: string, home: string): unknown {
  if (name.startsWith("node:")) return process.getBuiltinModule(name);
  // Loading node:module takes a while, and few runs need a library.
  return process.getBuiltinModule("node:module").createRequire(home)(name);
}
