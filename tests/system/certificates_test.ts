import assert from "assert";
import { rootCertificates } from "node:tls";
import { addedCertificates, besidesBuiltIn, oneByOne } from "../../src/system/certificates.ts";

const OWN = `-----BEGIN CERTIFICATE-----\n${btoa("a private authority")}\n-----END CERTIFICATE-----`;

/** As some distributions break the lines. */
const bundle = rootCertificates.map((pem) => `# a comment\r\n${pem.trim().replaceAll("\n", "\r\n")}\r\n`);

Deno.test("certificates: of a distribution's bundle only what is not built in is left", () => {
  assert.equal(besidesBuiltIn([...bundle, OWN].join("\n")), OWN);
  assert.equal(besidesBuiltIn([OWN, ...bundle, OWN].join("")), `${OWN}\n${OWN}`);
  assert.equal(besidesBuiltIn(bundle.join("\n")), null);
});

Deno.test("certificates: what is not many, or is none, stays as it is", () => {
  for (const text of [OWN, "", "no PEM at all", bundle.slice(0, 7).join("")]) {
    assert.equal(besidesBuiltIn(text), text);
  }
});

Deno.test("certificates: those of several files together, found out once", () => {
  const pems = [bundle.join(""), OWN, [...bundle, OWN].join("")];
  const added = addedCertificates(pems);
  assert.deepEqual(added, [OWN, OWN]);
  assert.strictEqual(addedCertificates(pems), added);
});

Deno.test("certificates: one by one all of them stay", () => {
  const single = oneByOne([...bundle, OWN].join(""));
  assert.equal(single.length, rootCertificates.length + 1);
  assert.deepEqual(addedCertificates(single), single);
  assert.deepEqual(oneByOne("no PEM at all"), ["no PEM at all"]);
});
