/** One value of 1 MiB out of Redis at `REDIS`. */
import { Redis } from "ioredis";

const client = new Redis(Deno.env.get("REDIS")!);
await client.set("bench-libraries", "x".repeat(2 ** 20));
const value = await client.getBuffer("bench-libraries");
if (value?.length !== 2 ** 20) throw new Error(`Got ${value?.length} bytes`);
client.disconnect();
