/**
 * The program's name and version; tests hold the version to deno.json's.
 * @module
 */

/** Version of the program. */
export const VERSION = "0.1.0";

/** What the program runs on, as `Deno.version` and `Deno.build` say. */
export interface Runtime {
  deno: string;
  os: string;
  arch: string;
}

/** What `copilot version` prints: `copilot 0.1.0 (deno 2.7.14, linux x86_64)` and a line feed. */
export function versionText(runtime: Runtime): string {
  return `copilot ${VERSION} (deno ${runtime.deno}, ${runtime.os} ${runtime.arch})\n`;
}
