/**
 * Redis, as the original uses it: an object is a string value under the path's key, a directory the keys with a prefix.
 *
 * Settings: see redis/settings.ts. Redis keeps values in memory and up to 512 MiB each: it is meant for metadata.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { guardedNetwork } from "../../guard.ts";
import { redisTarget } from "./settings.ts";
import type { StoreUri } from "../../uri.ts";
import { RedisClient } from "./client.ts";
import { RedisStore } from "./store.ts";

function openServer(uri: StoreUri, settings: StoreSettings, context: BackendContext): RedisStore {
  const { system, env, caCerts, signal } = context;
  const target = redisTarget(uri, settings);
  const client = new RedisClient({
    network: target.isGuarded
      ? guardedNetwork(system.network, { env, allowsLinkLocal: false })
      : system.network,
    clock: system.clock,
    caCerts,
    target,
    username: settings.values.username || undefined,
    password: settings.secrets.password?.reveal() === "" ? undefined : settings.secrets.password,
  });
  signal.addEventListener("abort", () => client.close(), { once: true });
  return new RedisStore(`${uri.scheme}://${uri.container}`, client, () => system.randomHex(16));
}

/** The backend for `redis://` and, with TLS, `rediss://`. */
export const backend: Backend = {
  open: (uri, settings, context) => new Promise((resolve) => resolve(openServer(uri, settings, context))),
};
