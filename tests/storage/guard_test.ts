import assert from "assert";
import { guardedNetwork } from "../../src/storage/guard.ts";
import type { Connection, Network } from "../../src/system/mod.ts";
import { codeIs } from "../support/errors.ts";

const OWN = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:2345/creds" };

/** A network in which every name leads to one address. */
function leadingTo(remoteAddress: string): { network: Network; closed: () => number; opened: () => number } {
  let [opened, closed] = [0, 0];
  const connect = () => {
    opened++;
    const connection: Partial<Connection> = { remoteAddress, close: () => void closed++ };
    return Promise.resolve(connection as Connection);
  };
  return { network: { connect } as Partial<Network> as Network, opened: () => opened, closed: () => closed };
}

for (
  const [address, port, allowsLinkLocal, why] of [
    ["169.254.169.254", 80, false, "--allow-link-local"],
    ["64:ff9b:1::a9fe:a9fe", 80, false, "--allow-link-local"],
    ["127.0.0.1", 2345, false, "its own credentials"],
    ["127.0.0.1", 2345, true, "its own credentials"],
    ["::1", 2345, false, "its own credentials"],
    ["127.0.0.1", 2346, false, null],
    ["169.254.169.254", 80, true, null],
    ["10.0.0.1", 2345, false, null],
  ] as const
) {
  Deno.test(`guard: a name that leads to ${address}:${port} (${allowsLinkLocal}): ${why ?? "allowed"}`, async () => {
    const { network, opened, closed } = leadingTo(address);
    const guarded = guardedNetwork(network, { env: OWN, allowsLinkLocal });
    const connecting = guarded.connect("name.test", port);
    if (why === null) return assert.equal((await connecting).remoteAddress, address);
    await assert.rejects(connecting, codeIs("denied", "name.test", why));
    assert.deepEqual([opened(), closed()], [1, 1], "closed before a byte is sent");
    // By its address it is refused without a connection.
    await assert.rejects(guarded.connect(address, port), codeIs("denied", why));
    assert.equal(opened(), 1);
  });
}
