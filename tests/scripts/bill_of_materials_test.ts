import assert from "assert";
import { cycloneDx, noticesText } from "../../scripts/bill_of_materials.ts";
import { components } from "../../scripts/components.ts";

const COMMIT = { id: "a".repeat(40), seconds: 1_700_000_000 };

Deno.test("bill of materials: every package that the import map names for the program is in it, and the runtime", async () => {
  const parts = await components([]);
  const names = parts.map(({ name }) => name);
  for (const name of ["deno", "v8", "google-auth-library", "hash-wasm", "protobufjs", "yaml"]) {
    assert(names.includes(name), name);
  }
  assert(!names.includes("@aws-sdk/client-s3"), "what only the tests use is not bundled");
  for (const { name, version, license, notice } of parts) {
    assert.match(version, /^\d/, name);
    assert.match(license, /^[A-Z0-9]/, name);
    assert(notice.length > 20, name);
    assert(noticesText(parts).includes(notice), name);
  }
});

Deno.test("bill of materials: CycloneDX, the same for the same commit and another for another", async () => {
  const parts = await components([]);
  // deno-lint-ignore no-explicit-any -- JSON
  const bill = cycloneDx(parts, "1.2.3", COMMIT) as any;
  assert.equal(bill.bomFormat, "CycloneDX");
  assert.match(
    bill.serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.equal(bill.metadata.timestamp, "2023-11-14T22:13:20.000Z");
  assert.equal(bill.components.length, parts.length);
  assert.deepEqual(bill.dependencies[0].dependsOn, bill.components.map((one: { purl: string }) => one.purl));
  assert.deepEqual(cycloneDx(parts, "1.2.3", COMMIT), bill);
  // deno-lint-ignore no-explicit-any -- JSON
  assert.notEqual((cycloneDx(parts, "1.2.4", COMMIT) as any).serialNumber, bill.serialNumber);
});

Deno.test("bill of materials: a package of Debian whose license is not known is refused by name", async () => {
  const unknown = { name: "libfoo", version: "1", architecture: "amd64", copyright: "/dev/null" };
  await assert.rejects(components([unknown]), /"libfoo"/);
});
