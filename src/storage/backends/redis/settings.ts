/**
 * Which server a redis URI means, and with which settings it is reached. Pure, for the store and for the run's permissions.
 *
 * Settings (`storage.stow.config` of kind redis, `storage.redis`, or `storage.connection` of type redis): `endpoint` (`HOST[:PORT]`,
 * `redis://HOST:PORT[/DB]`, `rediss://…` for TLS), `username`, `password`, `db`. As in the original, a configured endpoint is the
 * server for every URI, whatever host the URI names: one server has many addresses in a cluster. Without an endpoint it is
 * the URI's host.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot, type CopilotError } from "../../../errors.ts";
import type { Permissions } from "../../backend.ts";
import { hostPermission } from "../../host_name.ts";
import type { StoreUri } from "../../uri.ts";

/** A server and the database on it. */
export interface RedisTarget {
  secure: boolean;
  /** IPv6 addresses without brackets. */
  hostname: string;
  port: number;
  database: number;
  /** A URI names it, so that it must not be a link-local or metadata address. */
  isGuarded: boolean;
}

const DEFAULT_PORT = 6379;
/** `redis[s]://`, host, port, database. Names only what it takes: what else a URL can hold may be a secret. */
const ENDPOINT =
  /^(?:(rediss?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\0-\x20\x7f\s:/?#@[\]]+)(?::([0-9]{1,5}))?(?:\/([0-9]{0,5}))?$/;

/**
 * The server for a URI.
 *
 * @throws CopilotError `config` for an endpoint or database that cannot be used, and for credentials without an endpoint;
 * `input` for a URI whose host is none
 */
export function redisTarget(uri: StoreUri, settings: StoreSettings): RedisTarget {
  const { endpoint = "", db = "" } = settings.values;
  const isConfigured = endpoint !== "";
  if (!isConfigured && (settings.secrets.password?.reveal() ?? "") !== "") {
    throw cannot("use the password for redis", {
      config: "there is no endpoint, expected endpoint=HOST:PORT beside it, so that the " +
        "password is not sent to whatever host a URI names",
    });
  }
  const match = ENDPOINT.exec(isConfigured ? endpoint : `${uri.scheme}://${uri.container}`);
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (match === null || port < 1 || port > 65535) throw badAddress(uri, isConfigured);
  const database = db !== "" ? db : match[4] || "0";
  if (!/^[0-9]{1,5}$/.test(database)) {
    throw cannot(`use db "${database}" for redis`, { config: "expected a number from 0" });
  }
  return {
    secure: match[1] === "rediss",
    hostname: match[2]!.replace(/^\[|\]$/g, ""),
    port,
    database: Number(database),
    isGuarded: !isConfigured && settings.values.allow_link_local !== "true",
  };
}

function badAddress(uri: StoreUri, isConfigured: boolean): CopilotError {
  if (isConfigured) {
    return cannot("use the endpoint for redis", {
      config: "expected HOST[:PORT], redis://HOST[:PORT][/DB] or rediss://…, without user and " +
        "password, which are settings of their own",
    });
  }
  const object = `${uri.scheme}://${uri.container}/${uri.key}`;
  return cannot("open", object, { input: "its host is no HOST[:PORT]" });
}

/** The permission for a URI's server. @throws CopilotError as {@linkcode redisTarget} */
export function requiredPermissions(uri: StoreUri, settings: StoreSettings): Permissions {
  const { hostname, port } = redisTarget(uri, settings);
  return { hosts: [hostPermission(hostname, port)], paths: [] };
}
