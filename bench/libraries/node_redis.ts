/** One value of 1 MiB out of Redis at `REDIS`. */
import { createClient } from "@redis/client";

const client = createClient({ url: Deno.env.get("REDIS")! });
await client.connect();
await client.set("bench-libraries", "x".repeat(2 ** 20));
const value = await client.get("bench-libraries");
if (value?.length !== 2 ** 20) throw new Error(`Got ${value?.length} characters`);
client.destroy();
