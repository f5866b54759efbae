import assert from "assert";
import { isLinkLocal } from "../../src/storage/link_local.ts";
import { parseUri } from "../../src/storage/uri.ts";

for (
  const host of [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::1",
    "[FE80::1]",
    "febf::1",
    "[fd00:ec2::254]",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "fd00:0042:0:0::42",
    "FD00:0EC2::0254",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::168.63.129.16",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::1",
    "2002:6464:64c8::",
    "2001:0:a9fe:a9fe::",
    "2001:0:5ef5:79fd:0:59b:5601:5601",
    "fe00::5efe:a9fe:a9fe",
    "2001:db8::200:5efe:a9fe:a9fe",
    "::ffff:100.100.100.200",
    "metadata",
    "metadata.google.internal",
    "METADATA.Google.Internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
  ]
) {
  Deno.test(`link-local: ${host} is link-local or hands out credentials`, () =>
    assert.equal(isLinkLocal(host), true));
}

for (
  const host of [
    "example.com",
    "127.0.0.1",
    "10.0.0.1",
    "169.255.0.1",
    "1.169.254.1",
    "fec0::1",
    "::1",
    "::",
    "2001:db8::1",
    "2001:db8::a9fe:a9fe",
    "2002:a00:1::1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::808:808",
    "::ffff:10.0.0.1",
    "fd00:ec2::25",
    "not:an:address",
    "metadata.example.com",
    "100.100.100.20",
  ]
) {
  Deno.test(`link-local: ${host} is a host like any other`, () => assert.equal(isLinkLocal(host), false));
}

for (
  const [text, host] of [
    ["http://2852039166/latest", "169.254.169.254"],
    ["http://0xa9.0376.0xa9fe/", "169.254.169.254"],
    ["http://0xA9FEA9FE:80/", "169.254.169.254"],
    ["http://user:pass@169.254.169.254:8080/x", "169.254.169.254"],
    ["https://METADATA.google.internal./x", "metadata.google.internal."],
    ["http://[::ffff:169.254.169.254]/", "[::ffff:a9fe:a9fe]"],
    ["http://[64:ff9b::169.254.169.254]/", "[64:ff9b::a9fe:a9fe]"],
    ["http://[::169.254.169.254]:81/", "[::a9fe:a9fe]"],
    ["http://１６９.254.169.254/", "169.254.169.254"],
  ] as const
) {
  Deno.test(`link-local: ${text} is ${host}, and link-local`, () => {
    const found = new URL(`http://${parseUri(text, "the URI").container}`).hostname;
    assert.equal(found, host);
    assert.equal(isLinkLocal(found), true);
  });
}
