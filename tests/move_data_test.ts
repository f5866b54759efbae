import assert from "assert";
import { rootCertificates } from "node:tls";
import { trustedCertificates } from "../src/move_data.ts";
import { addedCertificates } from "../src/system/certificates.ts";

Deno.test("certificates that a file names all count where the runtime was told to trust another list than its own", () => {
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(file, rootCertificates.join("\n"));
    const env = { SSL_CERT_FILE: file, AWS_CA_BUNDLE: file };
    assert.deepEqual(addedCertificates(trustedCertificates(env)), []);
    const all = addedCertificates(trustedCertificates({ ...env, DENO_TLS_CA_STORE: "system" }));
    assert.equal(all.length, rootCertificates.length);
  } finally {
    Deno.removeSync(file);
  }
});
