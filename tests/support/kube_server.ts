/**
 * An API server of a few lines on the loopback interface, with one pod: lists it, streams its changes, and fails as told.
 * @module
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Pod } from "../../src/watch/watchers/kube/pod.ts";

/** The pod's parts that tests change. */
export type Status = NonNullable<Pod["status"]>;

/** A container's status. */
export function containerStatus(
  state: NonNullable<Status["containerStatuses"]>[number]["state"],
  name = "main",
): Status {
  return { phase: "Running", containerStatuses: [{ name, ...(state === undefined ? {} : { state }) }] };
}

/** How a request is answered instead of well. */
export interface Refusal {
  status: number;
  message: string;
  /** Happens before the answer goes out. */
  meanwhile?: () => void;
}

/** The server. {@linkcode close} ends it. */
export class FakeKube {
  /** Path, query and `Authorization` of every request. */
  readonly requests: { url: string; authorization: string }[] = [];
  /** Answers to the next requests; null answers well. */
  readonly refusals: (Refusal | null)[] = [];
  /** Answers to all requests while set. */
  refuseAll: Refusal | null = null;
  pod: Pod | null = {
    metadata: { name: "p" },
    spec: { containers: [{ name: "main" }] },
    status: { phase: "Pending" },
  };
  #version = 100;
  /** What has changed, by version: a watch begins with what came after the version that it names, as the real server's does. */
  readonly #changes: { version: number; event: unknown }[] = [];
  readonly #server: Server;
  readonly #watches = new Set<ServerResponse>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push({ url: request.url ?? "", authorization: request.headers.authorization ?? "" });
      const refusal = this.refuseAll ?? this.refusals.shift() ?? null;
      if (refusal !== null) return this.#refuse(response, refusal);
      if (request.url?.includes("watch=1")) return this.#watch(request.url, response);
      const items = this.pod === null ? [] : [this.#stamped()];
      this.#json(response, 200, {
        kind: "PodList",
        metadata: { resourceVersion: String(this.#version) },
        items,
      });
    });
  }

  /** Starts one on a free port. */
  static async start(): Promise<FakeKube> {
    const kube = new FakeKube();
    await new Promise<void>((resolve) => kube.#server.listen(0, "127.0.0.1", resolve));
    return kube;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** A kubeconfig for it. */
  get kubeconfig(): string {
    return JSON.stringify({
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "k", user: "u", namespace: "ns" } }],
      clusters: [{ name: "k", cluster: { server: `http://127.0.0.1:${this.port}` } }],
      users: [{ name: "u", user: { tokenFile: "token" } }],
    });
  }

  get watches(): number {
    return this.#watches.size;
  }

  /** Changes the pod's status and tells it to the watches. */
  set(status: Status): void {
    this.#version++;
    if (this.pod !== null) this.pod.status = status;
    this.#change({ type: "MODIFIED", object: this.#stamped() });
  }

  /** Deletes the pod. */
  delete(): void {
    this.#version++;
    this.#change({ type: "DELETED", object: this.#stamped() });
    this.pod = null;
  }

  #change(event: unknown): void {
    // As text, because the pod changes on.
    this.#changes.push({ version: this.#version, event: JSON.parse(JSON.stringify(event)) });
    this.send(event);
  }

  /** Sends an event to all watches. */
  send(event: unknown): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify(event)}\n`);
  }

  /** Ends all watches: well, or in the middle of a chunk. */
  endWatches(how: "end" | "break"): void {
    for (const watch of this.#watches) how === "end" ? watch.end() : watch.destroy();
    this.#watches.clear();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #stamped(): Pod | null {
    if (this.pod === null) return null;
    return { ...this.pod, metadata: { ...this.pod.metadata, resourceVersion: String(this.#version) } };
  }

  #watch(url: string, response: ServerResponse): void {
    response.writeHead(200, { "Content-Type": "application/json" });
    response.flushHeaders();
    const from = Number(new URL(url, "http://localhost").searchParams.get("resourceVersion"));
    for (const { version, event } of this.#changes) {
      if (version > from) response.write(`${JSON.stringify(event)}\n`);
    }
    this.#watches.add(response);
    response.on("close", () => this.#watches.delete(response));
  }

  #refuse(response: ServerResponse, { status, message, meanwhile }: Refusal): void {
    meanwhile?.();
    this.#json(response, status, { kind: "Status", status: "Failure", code: status, message });
  }

  #json(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  }
}

/** Lets time pass where sockets are real. */
export function realTime(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for something that happens on a socket, where no clock can be moved. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (holds()) return;
    await realTime(10);
  }
  throw new Error(`Never happened: ${what}`);
}
