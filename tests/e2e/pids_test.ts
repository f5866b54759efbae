/** A pod whose pids are used up when its main ends: the upload waits for threads, whatever number of them is left. */
import assert from "assert";
import { encode } from "../../src/flyte/codec/idl.ts";
import { temporaryDirectory } from "../support/flows.ts";
import { INTEGER, outputs } from "../support/plans.ts";
import { testWith } from "./harness.ts";

const INTERFACE = encode("TypedInterface", outputs({ out: INTEGER })).toBase64();

function sleep(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}

/** A bucket that takes whatever comes, and the paths that it holds. */
function bucket(): { server: Deno.HttpServer<Deno.NetAddr>; keys: Set<string> } {
  const keys = new Set<string>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.arrayBuffer();
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") keys.add(pathname);
    else if (request.method === "DELETE") keys.delete(pathname);
    else return new Response(null, { status: 404 });
    return new Response(null, { status: 200, headers: { etag: '"e"' } });
  });
  return { server, keys };
}

for (const free of [0, 1, 2]) {
  testWith(
    `SIGTERM while the pod has ${free} pids left: the upload is done once there are more`,
    ["binary", "pidsCgroup"],
    async ({ binary, pidsCgroup }) => {
      const cgroup = `${pidsCgroup}/copilot-test-${Deno.pid}-${free}`;
      Deno.mkdirSync(cgroup);
      using dir = temporaryDirectory();
      dir.write("out", "42\n");
      const { server, keys } = bucket();
      const sidecar = new Deno.Command("sh", {
        args: [
          "-c",
          'echo $$ >"$0/cgroup.procs"; exec "$@"',
          cgroup,
          binary,
          "sidecar",
          "--start-watcher-type=signal",
          // A name, which has to be looked up.
          `--storage.stow.config=auth_type=accesskey,access_key_id=a,secret_key=b,region=us-east-1,disable_ssl=true,endpoint=http://localhost:${server.addr.port}`,
          `--from-local-dir=${dir.path}`,
          "--to-raw-output=s3://bucket/raw",
          "--to-output-prefix=s3://bucket/out",
          `--interface=${INTERFACE}`,
          "--logger.level=5",
        ],
        clearEnv: true,
        env: { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" },
        stderr: "piped",
      }).spawn();
      const output = sidecar.output();
      await sleep(1500);
      const used = Number(Deno.readTextFileSync(`${cgroup}/pids.current`));
      Deno.writeTextFileSync(`${cgroup}/pids.max`, String(used + free));
      sidecar.kill("SIGTERM");
      await sleep(2000);
      assert(!keys.has("/bucket/out/outputs.pb"), "there was no room for it yet");
      Deno.writeTextFileSync(`${cgroup}/pids.max`, "max");
      const { code, stderr } = await output;
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.deepEqual([...keys], ["/bucket/out/outputs.pb"]);
      await server.shutdown();
      await sleep(100);
      Deno.removeSync(cgroup);
    },
  );
}
