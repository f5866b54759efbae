import assert from "assert";
import { rootCertificates } from "node:tls";
import { besidesBuiltIn } from "../../src/system/certificates.ts";

const OWN = `-----BEGIN CERTIFICATE-----\n${btoa("a private authority")}\n-----END CERTIFICATE-----`;

/** As some distributions break the lines. */
const bundle = rootCertificates.map((pem) => `# a comment\r\n${pem.trim().replaceAll("\n", "\r\n")}\r\n`);

Deno.test("certificates: of a distribution's bundle only what is not built in is left", () => {
  assert.equal(besidesBuiltIn([...bundle, OWN].join("\n"), {}), OWN);
  assert.equal(besidesBuiltIn([OWN, ...bundle, OWN].join(""), {}), `${OWN}\n${OWN}`);
  assert.equal(besidesBuiltIn(bundle.join("\n"), {}), null);
});

Deno.test("certificates: what is not many, is none, or stands beside another store stays as it is", () => {
  for (const text of [OWN, "", "no PEM at all", bundle.slice(0, 7).join("")]) {
    assert.equal(besidesBuiltIn(text, {}), text);
  }
  const all = bundle.join("");
  assert.equal(besidesBuiltIn(all, { DENO_TLS_CA_STORE: "system" }), all);
});
