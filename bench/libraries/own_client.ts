/** The program's own client, as the stores open it. */
import { HttpClient } from "../../src/http/client.ts";
import { makeOrigin } from "../../src/http/origin.ts";
import { sys } from "../../src/system/deno.ts";

const { hostname, port } = new URL(Deno.env.get("ENDPOINT")!);

/** One for all. */
export const client = new HttpClient({ network: sys.network, clock: sys.clock });
/** What all requests have in common. */
export const common = {
  origin: makeOrigin(false, hostname, Number(port)),
  object: "an object of the benchmark",
  signal: new AbortController().signal,
};
