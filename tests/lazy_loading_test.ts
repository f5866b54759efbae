/** Which code a run loads: only what its stores need. By the module graph, following imports that are no `import()`. */
import assert from "assert";
import { BACKENDS } from "../src/storage/backends/mod.ts";

const ROOT = new URL("../", import.meta.url).href;

interface Graph {
  roots: string[];
  modules: {
    specifier: string;
    dependencies?: { isDynamic?: boolean; code?: { specifier?: string } }[];
  }[];
  redirects: Record<string, string>;
}

/** What a module loads as soon as it is loaded itself; sources relative to the project, packages as `npm:name@version`. */
async function loaded(entry: string): Promise<string[]> {
  const args = ["info", "--json", entry];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: new URL(ROOT).pathname }).output();
  const { roots, modules, redirects } = JSON.parse(new TextDecoder().decode(stdout)) as Graph;
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const seen = new Set<string>();
  const visit = (specifier: string) => {
    const name = redirects[specifier] ?? specifier;
    if (seen.has(name)) return;
    seen.add(name);
    for (const { isDynamic, code } of byName.get(name)?.dependencies ?? []) {
      if (!isDynamic && code?.specifier !== undefined) visit(code.specifier);
    }
  };
  for (const root of roots) visit(root);
  return [...seen].map((name) => name.replace(ROOT, "").replace(/^npm:\/?/, "npm:"));
}

/** Code that belongs to one backend. Settings do not: permissions are worked out of them before any store is opened. */
const OWN: Readonly<Record<string, RegExp>> = Object.fromEntries(
  Object.keys(BACKENDS).map((
    name,
  ) => [
    name,
    new RegExp(
      `^src/storage/backends/${
        name === "mem" ? "memory" : name
      }/(?!settings|credential_file|credential_origin|endpoints|connection_string)`,
    ),
  ]),
);

Deno.test("lazy loading: a run begins without the code of any store and without any cloud's library", async () => {
  for (const entry of ["src/app.ts", "src/sandbox/worker.ts"]) {
    const names = await loaded(entry);
    assert(names.length > 10, `${entry} loads ${names}`);
    const odd = names.filter((name) =>
      Object.values(OWN).some((own) => own.test(name)) ||
      /^npm:(@aws-sdk|@smithy|@azure|@opentelemetry|google|gaxios)/.test(name)
    );
    assert.deepEqual(odd, [], entry);
  }
});

for (const [name, own] of Object.entries(OWN)) {
  Deno.test(`lazy loading: the ${name} store loads nothing of another, and no cloud's library`, async () => {
    const entry = `src/storage/backends/${name === "mem" ? "memory" : name}/mod.ts`;
    const names = await loaded(entry);
    assert(names.includes(entry) && own.test(entry));
    const foreign = Object.entries(OWN).filter(([other]) => other !== name);
    // Where objects lie in memory or in files other stores have nothing to do with them either.
    assert.deepEqual(names.filter((one) => foreign.some(([, other]) => other.test(one))), []);
    assert.deepEqual(names.filter((one) => /^npm:(@aws-sdk|@smithy|@azure|google|gaxios)/.test(one)), []);
  });
}
