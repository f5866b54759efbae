/**
 * Watches the own pod through the Kubernetes API: the one watcher that knows main's exit code. One watch of one pod, no polling.
 * @module
 */
import { CopilotError, explain, from } from "../../errors.ts";
import { race, throwIfAborted } from "../abort.ts";
import type { WatcherContext } from "../context.ts";
import type { Exit, Watcher } from "../watcher.ts";
import { PodApi, type PodEvent, type PodName } from "./kube/api.ts";
import { type Cluster, clusterOf } from "./kube/cluster.ts";
import { interrupted, mainName, type MainState, mainState } from "./kube/pod.ts";

const NAME = "kube-api";

/** Between attempts: doubled from the first to the second, each with full jitter. */
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;

/** A fresh Role, a token that is just being replaced and a server that is starting deny for a moment. */
const MAX_DENIALS = 4;

/** After SIGTERM: the kubelet reports main's end a moment after it. Two seconds are all that a sidecar may have. */
const LAST_REPORT_MS = 1000;

class KubeWatcher implements Watcher {
  readonly name = NAME;
  readonly #context: WatcherContext;
  readonly #pod: PodName;
  readonly #api: PodApi;
  readonly #closed = new AbortController();
  #container: string | null;
  #state: MainState = { phase: "waiting", detail: "not asked yet" };
  #wasThere = false;
  #trouble = "";

  constructor(context: WatcherContext, cluster: Cluster, pod: PodName) {
    this.#context = context;
    this.#pod = pod;
    this.#api = new PodApi(context, cluster, pod);
    this.#container = context.command.watchContainer ?? null;
  }

  async waitForStart(signal: AbortSignal): Promise<void> {
    await this.#until(signal, () => this.#state.phase !== "waiting");
    if (this.#state.phase === "waiting") throw this.#unknown("it was still waiting when SIGTERM came");
    if (this.#state.phase === "never") throw this.#unknown(this.#state.why);
  }

  async waitForExit(signal: AbortSignal): Promise<Exit> {
    await this.#until(signal, () => this.#state.phase === "ended" || this.#state.phase === "never");
    switch (this.#state.phase) {
      case "ended":
        return this.#state.exit;
      case "running":
        return interrupted(this.#container!, { reason: "Terminated", why: "the pod is being stopped" });
      case "never":
        throw this.#unknown(this.#state.why);
      case "waiting":
        throw this.#unknown("it was still waiting when SIGTERM came");
    }
  }

  describe(): string {
    const { phase } = this.#state;
    const detail = this.#state.phase === "waiting" ? ` (${this.#state.detail})` : "";
    const container = this.#container === null ? "its main container" : `container "${this.#container}"`;
    return `pod "${this.#pod.namespace}/${this.#pod.name}": ${container} is ${phase}${detail}${this.#trouble}`;
  }

  close(): void {
    this.#closed.abort();
    this.#api.close();
  }

  /** Follows the pod until it is done, or until SIGTERM came and the last report had its time. */
  async #until(signal: AbortSignal, isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    const { terminations, system } = this.#context;
    await race([
      (either) => this.#follow(either, isDone),
      async (either) => {
        await terminations.next(0, either);
        await system.clock.sleep(LAST_REPORT_MS, either);
      },
    ], { signal: AbortSignal.any([signal, this.#closed.signal]), mode: "first" });
  }

  /** Lists and watches until it is done; every failure that may pass is waited out. */
  async #follow(signal: AbortSignal, isDone: () => boolean): Promise<void> {
    let denials = 0;
    let failures = 0;
    for (;;) {
      try {
        for await (const event of this.#events(signal)) {
          denials = 0;
          failures = 0;
          this.#trouble = "";
          this.#take(event);
          if (isDone()) return;
        }
        if (isDone()) return;
      } catch (thrown) {
        throwIfAborted(signal);
        const error = from(thrown, `Cannot watch pod "${this.#pod.namespace}/${this.#pod.name}"`, {
          fallback: "unavailable",
        });
        if (error.code === "config" || error.code === "internal") throw error;
        if (error.code === "denied" && ++denials >= MAX_DENIALS) throw this.#denied(error);
        this.#trouble = `; ${explain(error)}`;
        this.#context.log.debug("watch of the pod failed", { error: explain(error), failures });
        await this.#pause(failures++, signal);
      }
    }
  }

  /** The pod as it is, then its changes, over as many watches as the versions allow. */
  async *#events(signal: AbortSignal): AsyncGenerator<PodEvent> {
    const { pod, version } = await this.#api.list(signal);
    if (pod === null) return this.#missing();
    yield { type: "ADDED", pod };
    for (let from = version;;) {
      try {
        for await (const event of this.#api.watch(from, signal)) {
          from = event.pod.metadata?.resourceVersion ?? from;
          yield event;
        }
      } catch (error) {
        // Too old a version: nothing is lost, the list tells it all.
        if (error instanceof CopilotError && error.code === "changed") return;
        throw error;
      }
      // A server that ends every watch at once is not asked in a circle.
      await this.#context.system.clock.sleep(RETRY_FIRST_MS * this.#context.system.random(), signal);
    }
  }

  #take({ type, pod }: PodEvent): void {
    if (type === "BOOKMARK" || this.#state.phase === "ended") return;
    this.#wasThere = true;
    const name = this.#container = mainName(pod, this.#container);
    const state = mainState(pod, name);
    this.#state = type === "DELETED" && state.phase !== "ended" ? this.#deleted() : state;
  }

  #missing(): void {
    if (this.#wasThere) {
      this.#state = this.#deleted();
      return;
    }
    throw new CopilotError(
      "config",
      `Cannot watch pod "${this.#pod.namespace}/${this.#pod.name}": there is no such pod, expected --pod-name and --namespace` +
        ` (POD_NAME and POD_NAMESPACE) from the downward API's metadata.name and metadata.namespace`,
    );
  }

  #deleted(): MainState {
    const why = "it was deleted";
    return this.#state.phase === "running"
      ? { phase: "ended", exit: interrupted(this.#container!, { reason: "Deleted", why }) }
      : { phase: "never", why };
  }

  #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { system } = this.#context;
    const mostMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10));
    return system.clock.sleep(mostMs * system.random(), signal);
  }

  #unknown(why: string): CopilotError {
    return new CopilotError(
      "task",
      `Cannot tell how the main container ended: pod "${this.#pod.namespace}/${this.#pod.name}": ${why}`,
    );
  }

  #denied(cause: CopilotError): CopilotError {
    const { namespace, name } = this.#pod;
    const mend = cause.status === 401
      ? "expected a service account token that has not expired"
      : `expected a Role in namespace "${namespace}" bound to the pod's service account with the rule ` +
        `{apiGroups: [""], resources: [pods], resourceNames: [${name}], verbs: [list, watch]} (resourceNames may be left out)`;
    return new CopilotError("denied", `Cannot watch pod "${namespace}/${name}": ${cause.message}; ${mend}`, {
      cause,
      ...(cause.status === undefined ? {} : { status: cause.status }),
    });
  }
}

/**
 * Opens the watcher; the API is asked by its first wait.
 *
 * @throws CopilotError `config` without a service account, a kubeconfig that can be used, or the pod's name
 */
export async function open(context: WatcherContext): Promise<Watcher> {
  const { command: { kube }, env } = context;
  const cluster = await clusterOf(context);
  const namespace = kube.namespace ?? cluster.namespace ?? "default";
  const name = kube.podName ?? env["HOSTNAME"];
  if (name === undefined || name === "") {
    throw new CopilotError(
      "config",
      "Cannot watch the own pod: its name is not known, expected --pod-name or POD_NAME",
    );
  }
  return new KubeWatcher(context, cluster, { namespace, name });
}
