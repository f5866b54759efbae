/** PUTs of a stream by node:http. */
import http from "node:http";
import { BYTES, moveAll } from "./objects.ts";

const agent = new http.Agent({ keepAlive: true });
const piece = new Uint8Array(256 * 1024);
await moveAll((url) =>
  new Promise((resolve, reject) => {
    const headers = { "content-length": String(BYTES) };
    const request = http.request(url, { agent, method: "PUT", headers }, (reply) => {
      reply.resume().on("end", resolve).on("error", reject);
    });
    request.on("error", reject);
    let left = BYTES;
    const send = () => {
      while (left > 0) {
        const part = piece.subarray(0, Math.min(left, piece.length));
        left -= part.length;
        if (!request.write(part)) return request.once("drain", send);
      }
      request.end();
    };
    send();
  })
);
agent.destroy();
