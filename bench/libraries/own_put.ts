/** PUTs of a stream by the program's own client. */
import { BYTES, moveAll } from "./objects.ts";
import { client, common } from "./own_client.ts";

const open = () => {
  let left = BYTES;
  return {
    read: (into: Uint8Array) => {
      const count = Math.min(left, into.length);
      left -= count;
      return Promise.resolve(count === 0 ? null : count);
    },
    close() {},
  };
};
await moveAll(async ({ pathname, search }) => {
  const request = {
    ...common,
    method: "PUT",
    path: pathname + search,
    headers: [],
    body: { length: BYTES, open },
  };
  (await client.request(request)).body.close();
});
client.close();
