/** What other programs may import: it starts nothing, and needs nothing of the machine. */
import assert from "assert";
import { temporaryDirectory } from "./support/flows.ts";

const ROOT = new URL("../", import.meta.url);
const { exports: entries, imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))) as {
  exports: Record<string, string>;
  imports: Record<string, string>;
};

Deno.test("exports: each is a module that loads without any permission and starts nothing", async () => {
  assert(Object.keys(entries).length > 0);
  for (const path of Object.values(entries)) {
    assert.notEqual(path, "./main.ts");
    using dir = temporaryDirectory();
    const url = JSON.stringify(new URL(path, ROOT).href);
    dir.write("main.ts", `import * as module from ${url};\nconsole.log(Object.keys(module).length > 0);\n`);
    const config = new URL("deno.json", ROOT).pathname;
    const args = ["run", "--quiet", "--no-check", "--no-prompt", "--config", config, dir.at("main.ts")];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert(success, new TextDecoder().decode(stderr));
    assert.equal(new TextDecoder().decode(stdout), "true\n");
  }
});

Deno.test("imports: packages in exact versions, as the lock has them", () => {
  for (const [name, target] of Object.entries(imports)) {
    if (target.startsWith("node:")) continue;
    assert.match(target, /^npm:(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/[\w.\/-]+)?$/, name);
  }
});
