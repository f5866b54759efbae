/** Many GETs by node:http. */
import http from "node:http";
import { BYTES, moveAll } from "./objects.ts";

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
await moveAll((url) =>
  new Promise((resolve, reject) => {
    http.get(url, { agent }, (reply) => {
      let size = 0;
      reply.on("data", (bytes: Uint8Array) => size += bytes.length);
      reply.on("end", () => size === BYTES ? resolve() : reject(new Error(`Got ${size} bytes`)));
      reply.on("error", reject);
    }).on("error", reject);
  })
);
agent.destroy();
