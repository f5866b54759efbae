import assert from "assert";
import { createHmac } from "node:crypto";
import { Hmac } from "../../../src/storage/cloud/hmac.ts";

Deno.test("hmac: keys of every length around a block, and texts of several, as the runtime computes them", () => {
  for (let length = 0; length <= 130; length++) {
    const key = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 0xff);
    const hmac = new Hmac(key);
    for (const text of ["", "a", "grüße ☃", "x".repeat(1000)]) {
      assert.equal(hmac.digest(text, "hex"), createHmac("sha256", key).update(text).digest("hex"));
      assert.equal(hmac.digest(text, "base64"), createHmac("sha256", key).update(text).digest("base64"));
      assert.deepEqual(
        new Uint8Array(hmac.digest(text)),
        new Uint8Array(createHmac("sha256", key).update(text).digest()),
      );
    }
  }
});
