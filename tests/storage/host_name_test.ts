import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { hostPermission } from "../../src/storage/host_name.ts";

for (
  const [hostname, permission] of [
    ["minio", "minio:9000"],
    ["s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com:9000"],
    ["object_store", "object_store:9000"],
    ["name.of.the.root.", "name.of.the.root.:9000"],
    ["10.1.2.3", "10.1.2.3:9000"],
    ["::1", "[::1]:9000"],
    ["[fd00:ec2::254]", "[fd00:ec2::254]:9000"],
    ["::ffff:1.2.3.4", "[::ffff:1.2.3.4]:9000"],
  ] as const
) {
  Deno.test(`host: ${hostname} is one that a Worker may be given`, () => {
    assert.equal(hostPermission(hostname, 9000), permission);
    worker(permission).terminate();
  });
}

const REFUSED = [
  "",
  ".",
  "a..b",
  "a..",
  ".a",
  "a,b",
  "a~b",
  "a b",
  "a/8",
  "%41",
  "é",
  "a\n",
  "1:2",
  "[1:2]",
  "fe80::1%eth0",
  "x".repeat(64),
  // Patterns: each would be taken, and allow more than one host.
  "*.com",
  "10.0.0.0/8",
];

for (const hostname of REFUSED) {
  Deno.test(`host: ${JSON.stringify(hostname)} is no host`, () => {
    assert.throws(() => hostPermission(hostname, 9000), codeIs("input", JSON.stringify(hostname)));
  });
}

Deno.test("host: whatever the runtime refuses is refused before", () => {
  const alphabet = [..."a9-_.:[]*,~ %/\u00e9\n@"];
  for (let seed = 1, count = 0; count < 400; count++) {
    let hostname = "";
    for (let length = 0; length < 1 + count % 5; length++) {
      seed = seed * 1103515245 + 12345 & 0x7fffffff;
      hostname += alphabet[(seed >> 8) % alphabet.length];
    }
    let permission: string;
    try {
      permission = hostPermission(hostname, 1);
    } catch {
      continue;
    }
    worker(permission).terminate();
  }
});

/** Throws where the runtime does not take a permission. */
function worker(permission: string): Worker {
  return new Worker("data:text/javascript,", {
    type: "module",
    deno: { permissions: { net: [permission] } },
  });
}
