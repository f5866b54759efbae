/** One value of 1 MiB out of Redis at `REDIS`, over a socket: the protocol is a page. */
const { hostname, port } = new URL(Deno.env.get("REDIS")!);
const connection = await Deno.connect({ hostname, port: Number(port) });
const writer = connection.writable.getWriter();
const reader = connection.readable.getReader();
const size = 2 ** 20;
const command = (...words: string[]) =>
  new TextEncoder().encode(
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`,
  );
await writer.write(command("SET", "bench-libraries", "x".repeat(size)));
await reader.read();
await writer.write(command("GET", "bench-libraries"));
for (let left = `$${size}\r\n`.length + size + 2; left > 0;) left -= (await reader.read()).value!.length;
connection.close();
