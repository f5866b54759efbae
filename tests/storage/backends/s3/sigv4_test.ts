import assert from "assert";
import { Secret } from "../../../../src/config/mod.ts";
import {
  EMPTY_PAYLOAD,
  sha256Hex,
  Signer,
  UNSIGNED_PAYLOAD,
} from "../../../../src/storage/backends/s3/sigv4.ts";

/** The keys of the examples in Amazon S3's API reference, "Signature Calculations for the Authorization Header". */
const EXAMPLE = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: new Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
};
const EXAMPLE_MS = Date.UTC(2013, 4, 24);
const HOST = "examplebucket.s3.amazonaws.com";

function signed(signer: Signer, query: string, nowMs = EXAMPLE_MS): Map<string, string> {
  const part = { method: "GET", path: "/", query, host: HOST, headers: [], payload: EMPTY_PAYLOAD };
  return new Map(signer.sign(part, EXAMPLE, nowMs));
}

Deno.test("sigv4: the examples of Amazon's reference", () => {
  const signer = new Signer("us-east-1");
  const cases: [string, string][] = [
    ["lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
    ["max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
  ];
  for (const [query, signature] of cases) {
    const headers = signed(signer, query);
    assert.equal(
      headers.get("authorization"),
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
        `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
    );
    assert.equal(headers.get("x-amz-date"), "20130524T000000Z");
    assert.equal(headers.get("host"), undefined, "the client writes it");
  }
});

Deno.test("sigv4: amz headers and the token are signed, others are sent as they are", () => {
  const part = {
    method: "PUT",
    path: "/k",
    query: "",
    host: HOST,
    headers: [["x-amz-trailer", "t"], ["if-match", '"e"'], ["x-amz-decoded-content-length", "5"]] as const,
    payload: UNSIGNED_PAYLOAD,
  };
  const credentials = { ...EXAMPLE, sessionToken: new Secret("the-token") };
  const headers = new Signer("r").sign(part, credentials, EXAMPLE_MS);
  const authorization = new Map(headers).get("authorization")!;
  assert.match(
    authorization,
    /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-security-token;x-amz-trailer,/,
  );
  assert.deepEqual(headers.find(([name]) => name === "if-match"), ["if-match", '"e"']);
  assert.equal(new Map(headers).get("x-amz-security-token"), "the-token");
});

Deno.test("sigv4: the signing key follows the day and the credentials", () => {
  const signer = new Signer("us-east-1");
  const first = signed(signer, "").get("authorization");
  const nextDay = signed(signer, "", EXAMPLE_MS + 86_400_000).get("authorization");
  assert.notEqual(nextDay, first);
  assert.equal(signed(signer, "").get("authorization"), first);
  const other = { accessKeyId: EXAMPLE.accessKeyId, secretAccessKey: new Secret("another") };
  const part = { method: "GET", path: "/", query: "", host: HOST, headers: [], payload: EMPTY_PAYLOAD };
  assert.notEqual(new Map(signer.sign(part, other, EXAMPLE_MS)).get("authorization"), first);
});

Deno.test("sigv4: the payload of nothing is the hash of nothing", () => {
  assert.equal(sha256Hex(""), EMPTY_PAYLOAD);
});
