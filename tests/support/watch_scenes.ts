/**
 * For each watcher a main that it can see, so that one suite can be run on all of them.
 * @module
 */
import { sys } from "../../src/system/deno.ts";
import type { WatcherContext } from "../../src/watch/context.ts";
import { FakeClock } from "./fakes.ts";
import { containerId, fakeContext, FakeFiles, FakePod } from "./watch_fakes.ts";
import { containerStatus, FakeKube, realTime } from "./kube_server.ts";

/** A main and its watcher's surroundings. */
export interface Scene {
  context: WatcherContext;
  /** Main starts. */
  start(): void;
  /** Main ends well. */
  end(): void;
  /** Lets the watcher see what has happened. */
  pass(): Promise<void>;
  /** Timers that the watcher holds. */
  timers(): number;
  close(): Promise<void>;
}

/** What cannot hold for a watcher by its nature. */
export interface SceneTraits {
  /** It takes main to have started whatever happens. */
  assumesStart?: true;
  /** It takes main to have ended whatever happens. */
  assumesEnd?: true;
  /** The watcher that it names as the one that saw the end, where that is not itself. */
  sees?: string;
}

/** How a scene is set. */
export interface SceneSetting extends SceneTraits {
  set(): Promise<Scene>;
}

function onFakeClock(
  clock: FakeClock,
  context: WatcherContext,
  life: { start(): void; end(): void },
): Promise<Scene> {
  return Promise.resolve({
    context,
    ...life,
    pass: () => clock.advance(5000),
    timers: () => clock.waiting,
    close: () => Promise.resolve(),
  });
}

function inSharedNamespace(): Promise<Scene> {
  const clock = new FakeClock();
  const pod = new FakePod();
  let pid = 0;
  return onFakeClock(clock, fakeContext({ clock, files: pod.files }), {
    start: () => void (pid = pod.start({ id: containerId("a"), sharesVolume: true }, "sh")),
    end: () => pod.end(pid),
  });
}

async function kube(): Promise<Scene> {
  const server = await FakeKube.start();
  const files = new FakeFiles();
  files.texts.set("/etc/kube/config", server.kubeconfig).set("/etc/kube/token", "t");
  const context = fakeContext({
    files,
    clock: sys.clock,
    network: sys.network,
    random: () => 0.01,
    command: { kube: { kubeconfig: "/etc/kube/config", podName: "p" } },
  });
  return {
    context,
    start: () => server.set(containerStatus({ running: {} })),
    end: () => server.set(containerStatus({ terminated: { exitCode: 0, reason: "Completed" } })),
    pass: async () => {
      // A list may have told all, so that no watch follows.
      for (let i = 0; i < 20 && server.watches === 0; i++) await realTime(10);
      await realTime(30);
    },
    timers: () => 0,
    close: () => server.close(),
  };
}

/** A scene for every registered watcher. */
export const SCENES: Readonly<Record<string, SceneSetting>> = {
  "noop": {
    assumesStart: true,
    assumesEnd: true,
    set() {
      const clock = new FakeClock();
      return onFakeClock(clock, fakeContext({ clock }), { start() {}, end() {} });
    },
  },
  "auto": { sees: "shared-process-ns", set: inSharedNamespace },
  "signal": {
    assumesStart: true,
    set() {
      const clock = new FakeClock();
      const context = fakeContext({ clock });
      return onFakeClock(clock, context, { start() {}, end: () => context.terminations.deliver() });
    },
  },
  "file": {
    set() {
      const clock = new FakeClock();
      const files = new FakeFiles();
      return onFakeClock(clock, fakeContext({ clock, files }), {
        start: () => void files.texts.set("/out/_START", ""),
        end: () => void files.texts.set("/out/_SUCCESS", ""),
      });
    },
  },
  "shared-process-ns": { set: inSharedNamespace },
  "kube-api": { set: kube },
};
