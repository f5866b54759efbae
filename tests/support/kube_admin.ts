/**
 * The administrator of a real API server (scripts/kube_api_server.sh).
 * @module
 */
import { request } from "node:https";

/** What an administrator can do. */
export interface KubeAdmin {
  /** A file of the server's: `token`, `ca.crt`, `sa.key`. */
  read(name: string): string;
  /** One request; rejects where its status is no success. */
  ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
}

/** @param directory where the server has put its files */
export function kubeAdmin(url: string, directory: string): KubeAdmin {
  const read = (name: string) => Deno.readTextFileSync(`${directory}/${name}`).trim();
  return {
    read,
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
        const headers = { "Authorization": `Bearer ${read("token")}`, "Content-Type": type };
        const options = { method, headers, ca: read("ca.crt"), agent: false };
        const sent = request(url + path, options, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (piece) => text += piece);
          response.on("end", () => {
            if ((response.statusCode ?? 500) < 300) return resolve(JSON.parse(text));
            reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
          });
        });
        sent.on("error", reject);
        sent.end(body === undefined ? undefined : JSON.stringify(body));
      }),
  };
}
