/**
 * The library of CRCs in WebAssembly, as a module that is imported when one is needed; see yaml.ts for why.
 * @module
 */
export { createCRC32, createCRC64 } from "hash-wasm";
