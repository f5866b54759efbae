/**
 * The YAML library, for when there is YAML to read.
 *
 * Each module of this folder hands on what is used of one library and nothing else. In the executable it is a file of its own, read
 * when a module that imports it is first imported (scripts/bundle.ts); everything else is loaded at every start, so a library that
 * few runs need belongs here.
 * @module
 */
export { type Document, isAlias, isMap, isScalar, LineCounter, type Node, parse, parseDocument } from "yaml";
