/** Many GETs by the program's own client. */
import { BYTES, moveAll } from "./objects.ts";
import { client, common } from "./own_client.ts";

const buffer = new Uint8Array(256 * 1024);
await moveAll(async ({ pathname, search }) => {
  const reply = await client.request({ ...common, method: "GET", path: pathname + search, headers: [] });
  let size = 0;
  for (let count; (count = await reply.body.read(buffer)) !== null;) size += count;
  reply.body.close();
  if (size !== BYTES) throw new Error(`Got ${size} bytes`);
});
client.close();
