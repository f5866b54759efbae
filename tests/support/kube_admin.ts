/**
 * The administrator of a real API server (scripts/kube_api_server.sh, scripts/kube_node.sh).
 * @module
 */
import { request } from "node:https";

/** What an administrator can do. */
export interface KubeAdmin {
  /** A file of the server's: `token`, `ca.crt`, `sa.key`. */
  read(name: string): string;
  /** One request; rejects where its status is no success. */
  ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  /** The body of an answer that is not JSON, such as a log. */
  text(path: string): Promise<string>;
}

/** An answer that is no success. */
export class KubeError extends Error {
  readonly status: number;

  constructor(what: string, status: number, text: string) {
    super(`${what}: ${status} ${text}`);
    this.status = status;
  }
}

/** @param directory where the server has put its files */
export function kubeAdmin(url: string, directory: string): KubeAdmin {
  const read = (name: string) => Deno.readTextFileSync(`${directory}/${name}`).trim();
  const send = (method: string, path: string, body?: unknown) =>
    new Promise<string>((resolve, reject) => {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const headers = { "Authorization": `Bearer ${read("token")}`, "Content-Type": type };
      const options = { method, headers, ca: read("ca.crt"), agent: false };
      const sent = request(url + path, options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece) => text += piece);
        response.on("end", () => {
          const status = response.statusCode ?? 500;
          if (status < 300) return resolve(text);
          reject(new KubeError(`${method} ${path}`, status, text));
        });
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  return {
    read,
    ask: async (method, path, body) => JSON.parse(await send(method, path, body)),
    text: (path) => send("GET", path),
  };
}
