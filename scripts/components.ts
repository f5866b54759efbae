/**
 * What copilot is made of: the npm packages of its module graph, the runtime, and Debian's packages in an image.
 * @module
 */
import { DENO_VERSION } from "./denort.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ENTRY_POINTS = ["main.ts", "src/sandbox/worker.ts"];

/** A part that somebody else has made. */
export interface Component {
  name: string;
  version: string;
  /** SPDX expression. */
  license: string;
  /** Package URL. */
  purl: string;
  /** The license's text and its copyright notice, as the part has them. */
  notice: string;
}

/** A package of Debian in an image. */
export interface DebianPackage {
  name: string;
  version: string;
  architecture: string;
  /** File with its license. */
  copyright: string;
}

/** SPDX expressions of the parts that Debian's copyright files tell in prose. */
const DEBIAN_LICENSES: Readonly<Record<string, string>> = {
  "libc6": "LGPL-2.1-or-later",
  "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
  "ca-certificates": "MPL-2.0 AND GPL-2.0-or-later",
};

interface NpmPackage {
  name: string;
  version: string;
  registryUrl: string;
  dependencies: string[];
}

interface ModuleGraph {
  modules: { kind?: string; npmPackage?: string }[];
  npmPackages: Record<string, NpmPackage>;
}

async function deno(args: string[]): Promise<unknown> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  if (!success) {
    throw new Error(`Cannot run deno ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Every package that a module of the program imports, and what those depend on. */
async function npmPackages(): Promise<NpmPackage[]> {
  const found = new Map<string, NpmPackage>();
  for (const entry of ENTRY_POINTS) {
    const { modules, npmPackages } = await deno(["info", "--json", entry]) as ModuleGraph;
    const visit = (id: string) => {
      const one = npmPackages[id];
      if (one === undefined || found.has(id)) return;
      found.set(id, one);
      one.dependencies.forEach(visit);
    };
    for (const { npmPackage } of modules) if (npmPackage !== undefined) visit(npmPackage);
  }
  return [...found.values()];
}

/** What a package's own directory says of its license. */
function npmComponent({ name, version, registryUrl }: NpmPackage, cache: string): Component {
  const directory = `${cache}/${new URL(registryUrl).host}/${name}/${version}`;
  const { license, author } = JSON.parse(Deno.readTextFileSync(`${directory}/package.json`));
  if (typeof license !== "string") {
    throw new Error(`Cannot tell the license of "${name}": package.json says ${license}`);
  }
  const files = [...Deno.readDirSync(directory)].map((entry) => entry.name)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file)).sort();
  const texts = files.map((file) => Deno.readTextFileSync(`${directory}/${file}`).trim());
  const by = typeof author === "string" ? author : author?.name;
  const notice = texts.length > 0
    ? texts.join("\n\n")
    : `Licensed under ${license}${by ? `, by ${by}` : ""}.`;
  return { name, version, license, purl: `pkg:npm/${name.replace("@", "%40")}@${version}`, notice };
}

function runtimeComponents(): Component[] {
  const text = (name: string) =>
    Deno.readTextFileSync(new URL(`licenses/${name}.txt`, import.meta.url)).trim();
  const v8 = Deno.version.v8.replace(/-rusty$/, "");
  return [
    {
      name: "deno",
      version: DENO_VERSION,
      license: "MIT",
      purl: `pkg:github/denoland/deno@v${DENO_VERSION}`,
      notice: `${text("deno")}\n\nThe crates that Deno is made of are listed in its Cargo.lock.`,
    },
    { name: "v8", version: v8, license: "BSD-3-Clause", purl: `pkg:github/v8/v8@${v8}`, notice: text("v8") },
  ];
}

function debianComponent({ name, version, architecture, copyright }: DebianPackage): Component {
  const license = DEBIAN_LICENSES[name];
  if (license === undefined) {
    throw new Error(`Cannot tell the license of Debian's "${name}": it is not in DEBIAN_LICENSES`);
  }
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { name, version, license, purl, notice: Deno.readTextFileSync(copyright).trim() };
}

/**
 * Everything that an executable holds, and an image beside it, by name.
 *
 * @throws Error for a part whose license cannot be told
 */
export async function components(debian: readonly DebianPackage[]): Promise<Component[]> {
  const { npmCache } = await deno(["info", "--json"]) as { npmCache: string };
  const npm = (await npmPackages()).map((one) => npmComponent(one, npmCache));
  const all = [...npm, ...runtimeComponents(), ...debian.map(debianComponent)];
  return all.sort((a, b) => a.purl < b.purl ? -1 : 1);
}
