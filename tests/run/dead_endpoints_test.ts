import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { deadEndpointWarnings } from "../../src/run/dead_endpoints.ts";
import { sys } from "../../src/system/deno.ts";
import { FakeClock } from "../support/fakes.ts";
import { recordingLog } from "../support/flows.ts";

function connectError(host: string): CopilotError {
  return new CopilotError("network", { action: "connect to", object: host, detail: "Connection refused" });
}

Deno.test("dead endpoints: the third failed try of a connection is a warning that says which, why, how often and when next", async () => {
  const [log, clock] = [recordingLog(), new FakeClock()];
  const warn = deadEndpointWarnings(log, clock);
  const retry = (host: string, attempt: number) =>
    warn({ object: "s3://b/k", error: connectError(host), attempt, waitMs: 1234 });
  for (const attempt of [1, 2]) retry("h:1", attempt);
  assert.deepEqual(log.events, []);
  // Of many objects at once, the host is named once.
  for (let object = 0; object < 50; object++) retry("h:1", 3);
  retry("other:2", 3);
  const about = (host: string, attempts: number) => ({
    level: "warning",
    message: "cannot connect, trying again",
    fields: { host, error: "Connection refused", attempts, nextInSeconds: 1.3 },
  });
  assert.deepEqual(log.events, [about("h:1", 3), about("other:2", 3)]);
  await clock.advance(30_000);
  retry("h:1", 9);
  assert.deepEqual(log.events.at(-1), about("h:1", 9));
});

Deno.test("dead endpoints: what fails on a connection that is open is not one", () => {
  const log = recordingLog();
  const error = new CopilotError("unavailable", { action: "read", object: "s3://b/k", detail: "status 500" });
  deadEndpointWarnings(log, new FakeClock())({ object: "s3://b/k", error, attempt: 9, waitMs: 1 });
  assert.deepEqual(log.events, []);
});

Deno.test("dead endpoints: a refused connection says its host as such an error does", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const { fault } = await sys.network.connect("127.0.0.1", port).then(
    () => assert.fail("connected"),
    (error: CopilotError) => error,
  );
  assert.deepEqual([fault.action, fault.object], ["connect to", `127.0.0.1:${port}`]);
});
