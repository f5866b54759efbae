/** How the programs that move objects take turns: `OBJECTS` of `BYTES` each from `ENDPOINT`, `AT_ONCE` at a time. */
const number = (name: string) => Number(Deno.env.get(name));
const OBJECTS = number("OBJECTS");
const AT_ONCE = number("AT_ONCE");

/** Bytes of an object. */
export const BYTES = number("BYTES");
/** Where they come from or go to. */
export const URL_OF = (index: number) =>
  new URL(`${Deno.env.get("ENDPOINT")}/objects/${index}?bytes=${BYTES}`);

/** Calls `move` for every object. */
export async function moveAll(move: (url: URL) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < OBJECTS) await move(URL_OF(next++));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
