/** The program's own pages, as the kernel counts them. */
import assert from "assert";
import { openCodePages } from "../../src/system/code_pages.ts";
import { sys } from "../../src/system/deno.ts";

/** Resident KiB of what is mapped from the executable; what the process has written into is not among them. */
function residentKib(): number {
  let total = 0;
  for (const mapping of Deno.readTextFileSync("/proc/self/smaps").split(/^(?=[0-9a-f]+-)/m)) {
    const [head = "", ...fields] = mapping.split("\n");
    if (!head.endsWith(Deno.execPath())) continue;
    const kib = (name: string) =>
      Number(fields.find((field) => field.startsWith(name))!.replaceAll(/\D/g, ""));
    total += kib("Rss:") - kib("Anonymous:");
  }
  return total;
}

// The library stays for the life of the process, as in the program.
const options = { sanitizeResources: false };

Deno.test("pages of the executable: they can go, and come back as they are needed", options, () => {
  const release = openCodePages(sys.files);
  assert(release !== null);
  const before = residentKib();
  for (let turn = 0; turn < 10; turn++) {
    release();
    assert(residentKib() < before / 2, `${residentKib()} of ${before} KiB are left`);
    // Code and data that has not been touched for a while.
    assert.equal(new Intl.NumberFormat("de").format(12345.5), "12.345,5");
    assert.throws(() => JSON.parse("{"), SyntaxError);
  }
});

Deno.test("pages of the executable: a machine that does not show its mappings keeps them", () => {
  const hidden = { readHead: () => new Uint8Array(0) };
  assert.equal(openCodePages(hidden), null);
});
