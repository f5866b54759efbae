/**
 * The YAML library, as a module that is imported when there is YAML to read.
 *
 * A package is never imported dynamically by its own name: bundled, a CommonJS package then has no named exports. A static
 * import of it has, and this module can be imported dynamically instead.
 * @module
 */
export { type Document, isAlias, isMap, isScalar, LineCounter, type Node, parse, parseDocument } from "yaml";
