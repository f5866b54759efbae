/**
 * Watches the own pod through the Kubernetes API: the one watcher that knows main's exit code. One watch of one pod, no polling.
 * @module
 */
import { cannot, CopilotError, explain, from } from "../../../errors.ts";
import { race, throwIfAborted } from "../../abort.ts";
import type { WatcherContext } from "../../context.ts";
import type { Exit, Watcher } from "../../watcher.ts";
import { PodApi, type PodEvent, PodName } from "./api.ts";
import { clusterOf } from "./cluster.ts";
import { interrupted, mainName, type MainState, mainState } from "./pod.ts";

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
  readonly #closed = new AbortController();
  #api: Promise<PodApi> | null = null;
  #container: string | null;
  #state: MainState = { phase: "waiting", detail: "not asked yet" };
  #wasThere = false;
  #denials = 0;
  #failures = 0;
  #trouble = "";
  /** What the log has said of the life before. */
  #lastLife: string | undefined;

  constructor(context: WatcherContext) {
    this.#context = context;
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
        return this.#state.last ??
          interrupted(this.#container!, { reason: "Terminated", why: "the pod is being stopped" });
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
    return `${container} is ${phase}${detail}${this.#trouble}`;
  }

  mayHaveMissedMain(): boolean {
    return false;
  }

  lingerMs(): number {
    return 0;
  }

  close(): void {
    this.#closed.abort();
    this.#api?.then((api) => api.close(), () => {});
  }

  /** Follows the pod until it is done, or until SIGTERM came and the last report had its time. */
  async #until(signal: AbortSignal, isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    const { terminations, system } = this.#context;
    await race([
      (cancelOrClosed) => this.#follow(cancelOrClosed, isDone),
      async (cancelOrClosed) => {
        await terminations.next(0, cancelOrClosed);
        await system.clock.sleep(LAST_REPORT_MS, cancelOrClosed);
      },
    ], { signal: AbortSignal.any([signal, this.#closed.signal]), mode: "first" });
  }

  /** Lists and watches until it is done; every failure that may pass is waited out. */
  async #follow(signal: AbortSignal, isDone: () => boolean): Promise<void> {
    const api = await (this.#api ??= openApi(this.#context));
    for (;;) {
      try {
        for await (const event of this.#events(api, signal)) {
          this.#take(event);
          if (isDone()) return;
        }
        if (isDone()) return;
      } catch (thrown) {
        throwIfAborted(signal);
        const error = from(thrown, { action: "watch pod", object: String(api.pod), fallback: "unavailable" });
        if (error.code === "config" || error.code === "internal") throw error;
        if (error.code === "denied" && ++this.#denials >= MAX_DENIALS) throw denied(api, error);
        this.#trouble = `; ${explain(error)}`;
        this.#context.log.debug("watch of the pod failed", {
          error: explain(error),
          failures: this.#failures,
        });
        await this.#pause(signal);
      }
    }
  }

  /** The pod as it is, then its changes, over as many watches as the versions allow. */
  async *#events(api: PodApi, signal: AbortSignal): AsyncGenerator<PodEvent> {
    const { pod, version } = await api.list(signal);
    if (pod === null) return this.#missing(api);
    yield { type: "ADDED", pod };
    for (let latest = version;;) {
      for await (const event of api.watch(latest, signal)) {
        this.#allIsWell();
        latest = event.pod.metadata?.resourceVersion ?? latest;
        yield event;
      }
      this.#allIsWell();
      // A server that ends every watch at once is not asked in a circle.
      await this.#context.system.clock.sleep(RETRY_FIRST_MS * this.#context.system.random(), signal);
    }
  }

  /** A watch works: a list alone proves nothing about it. */
  #allIsWell(): void {
    this.#denials = 0;
    this.#failures = 0;
    this.#trouble = "";
  }

  #take({ type, pod }: PodEvent): void {
    if (type === "BOOKMARK" || this.#state.phase === "ended") return;
    this.#wasThere = true;
    const name = this.#container = mainName(pod, this.#container);
    const state = mainState(pod, name);
    const before = this.#state;
    this.#state = type === "DELETED" && state.phase !== "ended" ? this.#deleted() : state;
    const last = state.phase === "running" ? state.last?.message : undefined;
    if (last !== undefined && last !== this.#lastLife) {
      this.#lastLife = last;
      this.#context.log.info("the main container has failed, and kubelet starts it again", { message: last });
    } else if (before.phase !== this.#state.phase) {
      this.#context.log.info("the main container's state", { container: name, phase: this.#state.phase });
    }
  }

  #missing({ pod }: PodApi): void {
    if (this.#wasThere) {
      this.#state = this.#deleted();
      return;
    }
    throw cannot("watch pod", String(pod), {
      config: "there is no such pod, expected --pod-name and --namespace" +
        ` (POD_NAME and POD_NAMESPACE) from the downward API's metadata.name and metadata.namespace`,
    });
  }

  #deleted(): MainState {
    const why = "it was deleted";
    return this.#state.phase === "running"
      ? { phase: "ended", exit: interrupted(this.#container!, { reason: "Deleted", why }) }
      : { phase: "never", why };
  }

  #pause(signal: AbortSignal): Promise<void> {
    const { system } = this.#context;
    const mostMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures++, 10));
    return system.clock.sleep(mostMs * system.random(), signal);
  }

  #unknown(why: string): CopilotError {
    return cannot("tell how the main container ended", { task: why });
  }
}

function denied({ pod }: PodApi, cause: CopilotError): CopilotError {
  const mend = cause.status === 403
    ? `expected a Role in namespace "${pod.namespace}" bound to the pod's service account with the rule ` +
      `{apiGroups: [""], resources: [pods], resourceNames: [${pod.name}], verbs: [list, watch]} (resourceNames may be left out)`
    : "expected a service account token that can be read and has not expired";
  return new CopilotError("denied", {
    action: "watch pod",
    object: String(pod),
    detail: `${cause.message}; ${mend}`,
    cause,
    status: cause.status,
  });
}

async function openApi(context: WatcherContext): Promise<PodApi> {
  const { command: { kube }, env } = context;
  const cluster = await clusterOf(context);
  const namespace = kube.namespace ?? cluster.namespace ?? "default";
  const name = kube.podName ?? env["HOSTNAME"];
  if (name === undefined || name === "") {
    throw cannot("watch the own pod", { config: "its name is not known, expected --pod-name or POD_NAME" });
  }
  return new PodApi(context, cluster, new PodName(namespace, name));
}

/** Opens the watcher; service account or kubeconfig and the API are looked at by its first wait. */
export function open(context: WatcherContext): Watcher {
  return new KubeWatcher(context);
}
