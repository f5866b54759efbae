/** Many GETs by fetch, each body read into a buffer of its own size. */
import { BYTES, moveAll } from "./objects.ts";

await moveAll(async (url) => {
  const { byteLength } = await (await fetch(url)).arrayBuffer();
  if (byteLength !== BYTES) throw new Error(`Got ${byteLength} bytes`);
});
