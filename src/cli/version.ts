/**
 * The program's name and version; tests hold the version to deno.json's.
 * @module
 */

/** Version of the program. */
export const VERSION = "0.2.0";

/** What {@linkcode BUILD} is until scripts/compile.ts replaces it within the bundle. */
export const UNBUILT = "@BUILD@";

/** The commit that the executable was built from and the day of that commit: `a1b2c3d4e5f6 of 2026-01-31`. */
const BUILD = UNBUILT;

/** What the program runs on, as `Deno.version` and `Deno.build` say. */
export interface Runtime {
  deno: string;
  os: string;
  arch: string;
}

/** What `copilot version` prints: `copilot 0.2.0 (commit a1b2c3d4e5f6 of 2026-01-31, deno 2.7.14, linux x86_64)` and a line feed. */
export function versionText(runtime: Runtime): string {
  // Not compared with the constant, which a bundler would work out while both are still equal.
  const build = /^@/.test(BUILD) ? "from source" : `commit ${BUILD}`;
  return `copilot ${VERSION} (${build}, deno ${runtime.deno}, ${runtime.os} ${runtime.arch})\n`;
}
