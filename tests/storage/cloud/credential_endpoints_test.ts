import assert from "assert";
import {
  credentialEndpointAt,
  credentialEndpoints,
} from "../../../src/storage/cloud/credential_endpoints.ts";

const ENDPOINTS = credentialEndpoints({
  AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:51678/v2/credentials",
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/x",
  AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://IMDS.internal:8080/",
  GCE_METADATA_HOST: "metadata.example:81",
  IDENTITY_ENDPOINT: "http://[::1]:42356/msi/token",
  AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9000",
});

Deno.test("credential endpoints: what the environment names, by every spelling of this machine", () => {
  const cases: [string, number, string | undefined][] = [
    ["127.0.0.1", 51678, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["localhost", 51678, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["LOCALHOST.", 51678, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["[::1]", 51678, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["127.1.2.3", 51678, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["::ffff:7f00:1", 51678, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["127.0.0.1", 42356, "IDENTITY_ENDPOINT"],
    ["imds.internal", 8080, "AWS_EC2_METADATA_SERVICE_ENDPOINT"],
    ["metadata.example", 81, "GCE_METADATA_HOST"],
    ["169.254.170.2", 80, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    ["127.0.0.1", 9000, undefined],
    ["imds.internal", 80, undefined],
    ["example.com", 51678, undefined],
  ];
  for (const [hostname, port, from] of cases) {
    assert.equal(credentialEndpointAt(ENDPOINTS, hostname, port)?.from, from, `${hostname}:${port}`);
  }
});

Deno.test("credential endpoints: what is no address is left out", () => {
  assert.deepEqual(credentialEndpoints({ GCE_METADATA_HOST: "a b", IDENTITY_ENDPOINT: "" }), []);
});
