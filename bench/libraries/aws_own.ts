/** The same keys by the protocol's one request. */
const reply = await fetch(`${Deno.env.get("ENDPOINT")}/credentials`);
const { AccessKeyId } = await reply.json() as { AccessKeyId: string };
if (AccessKeyId !== "AKIDEXAMPLE") throw new Error(`Got "${AccessKeyId}"`);
