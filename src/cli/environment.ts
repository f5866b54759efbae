/**
 * The environment variables that the program reads: those of its flags, and those of the SDKs and platforms. A run sees no others.
 * @module
 */
import { PLATFORM_VARIABLES } from "../config/mod.ts";
import { environmentNames as namesOf } from "./flag.ts";
import { FLAGS } from "./flags.ts";

/** Names of environment variables, each once. */
export function environmentNames(): string[] {
  return [...new Set([...PLATFORM_VARIABLES, ...FLAGS.flatMap(namesOf)])];
}
