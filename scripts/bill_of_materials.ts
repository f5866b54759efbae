// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * Writes what copilot is made of: LICENSE, THIRD_PARTY_NOTICES.txt and copilot.cdx.json, a CycloneDX bill of materials.
 *
 * `deno run -A scripts/bill_of_materials.ts --output DIR [--debian NAME,VERSION,ARCHITECTURE,COPYRIGHT_FILE]...`
 *
 * The same commit gives the same bytes: time and serial number are derived.
 * @module
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { type Commit, commit } from "./build_info.ts";
import { type Component, components, type DebianPackage } from "./components.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const RULE = "=".repeat(78);

/** The notices as one text. */
export function noticesText(parts: readonly Component[]): string {
  const head =
    "copilot is licensed under Apache-2.0; the parts that it is made of have the licenses below.\n";
  const texts = parts.map(({ name, version, license, notice }) =>
    `${RULE}\n${name} ${version}: ${license}\n${RULE}\n\n${notice}\n`
  );
  return [head, ...texts].join("\n");
}

/**
 * A bill of materials in CycloneDX 1.6.
 *
 * @param version copilot's
 * @param built null outside of a repository
 */
export function cycloneDx(parts: readonly Component[], version: string, built: Commit | null): unknown {
  const list = parts.map(({ name, version, license, purl }) => ({
    "type": name === "deno" ? "platform" : "library",
    "bom-ref": purl,
    name,
    version,
    licenses: [/ (AND|OR|WITH) /.test(license) ? { expression: license } : { license: { id: license } }],
    purl,
  }));
  const purl = `pkg:generic/copilot@${version}`;
  const hash = createHash("sha256").update(JSON.stringify([version, built, list])).digest("hex");
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuid(hash)}`,
    version: 1,
    metadata: {
      ...(built === null ? {} : { timestamp: new Date(built.seconds * 1000).toISOString() }),
      component: {
        "type": "application",
        "bom-ref": purl,
        name: "copilot",
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        purl,
        ...(built === null ? {} : { properties: [{ name: "commit", value: built.id }] }),
      },
    },
    components: list,
    dependencies: [{ ref: purl, dependsOn: list.map((one) => one.purl) }],
  };
}

/** A UUID of version 8, which leaves its bits to whoever makes it. */
function uuid(hex: string): string {
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`];
  return [...parts, hex.slice(20, 32)].join("-");
}

function parseDebian(text: string): DebianPackage {
  const [name, version, architecture, copyright] = text.split(",");
  if (!name || !version || !architecture || !copyright) {
    throw new Error(`Cannot read --debian "${text}": expected NAME,VERSION,ARCHITECTURE,COPYRIGHT_FILE`);
  }
  return { name, version, architecture, copyright };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { output: { type: "string" }, debian: { type: "string", multiple: true, default: [] } },
  });
  const { output, debian } = values;
  if (output === undefined) {
    console.error("Cannot write a bill of materials: expected --output DIR");
    Deno.exit(2);
  }
  const parts = await components(debian.map(parseDebian));
  const { version } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  Deno.mkdirSync(output, { recursive: true });
  const bill = JSON.stringify(cycloneDx(parts, version, await commit(ROOT)), null, 2);
  Deno.copyFileSync(`${ROOT}LICENSE`, `${output}/LICENSE`);
  Deno.writeTextFileSync(`${output}/THIRD_PARTY_NOTICES.txt`, noticesText(parts));
  Deno.writeTextFileSync(`${output}/copilot.cdx.json`, `${bill}\n`);
  console.log(`${output}: notices and bill of materials of ${parts.length} parts`);
}

if (import.meta.main) await main();
