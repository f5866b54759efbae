/**
 * Credentials for S3: given ones, or those of the platform, fetched when they are first needed and renewed before they run out.
 * @module
 */
import { Secret, type StoreSettings } from "../../../config/mod.ts";
import { cannot, from, type Operation } from "../../../errors.ts";
import type { BackendContext } from "../../backend.ts";
import { HttpClient } from "../../../http/client.ts";
import { Renewed } from "../../cloud/renewed.ts";
import type { Clock } from "../../../system/mod.ts";
import { credentialOrigin } from "./credential_origin.ts";
import { sharedFiles } from "./endpoints.ts";
import { containerCredentials } from "./identity/container.ts";
import { instanceCredentials } from "./identity/instance.ts";
import type { Credentials, IdentityContext } from "./identity/mod.ts";
import { profileCredentials } from "./identity/profile.ts";
import { assumeRoleWithToken } from "./identity/sts.ts";

export type { Credentials } from "./identity/mod.ts";

/** A way to get credentials. */
export interface Provider {
  /** For messages: what it is and where it is configured. */
  name: string;
  /** A renewal would give the same. */
  isFixed: boolean;
  fetch(): Promise<Credentials>;
}

/** The credentials of one store. */
export class CredentialSource {
  readonly #renewed: Renewed<Credentials>;
  readonly #isFixed: boolean;

  constructor({ fetch, isFixed }: Provider, clock: Pick<Clock, "nowMs">) {
    this.#renewed = new Renewed(fetch, clock);
    this.#isFixed = isFixed;
  }

  /** Credentials that are valid now, or a promise of them. */
  get(): Credentials | Promise<Credentials> {
    return this.#renewed.get();
  }

  /** Forgets credentials that a server refused; false where others cannot be had. */
  renew(refused: Credentials): boolean {
    if (!this.#isFixed) this.#renewed.forget(refused);
    return !this.#isFixed;
  }
}

/** What the parts of given credentials are called where they are given. */
interface PartNames {
  id: string;
  secret: string;
  token: string;
}

const IN_SETTINGS: PartNames = {
  id: "storage.stow.config access_key_id",
  secret: "storage.stow.config secret_key",
  token: "storage.stow.config token",
};
const IN_ENVIRONMENT: PartNames = {
  id: "AWS_ACCESS_KEY_ID",
  secret: "AWS_SECRET_ACCESS_KEY",
  token: "AWS_SESSION_TOKEN",
};

/** @throws CopilotError `config` for a part that no store has given out, before it is sent anywhere */
function fixed(names: PartNames, credentials: Credentials): Provider {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  assertKey(names.id, accessKeyId);
  assertKey(names.secret, secretAccessKey.reveal());
  if (sessionToken !== undefined) assertKey(names.token, sessionToken.reveal());
  const name = names.id;
  return { name, isFixed: true, fetch: () => Promise.resolve(credentials) };
}

/** Holds that a key is one: blanks and line breaks around it have been cut off, and none has any inside. */
function assertKey(name: string, value: string): void {
  if (/^[\x21-\x7e]+$/.test(value)) return;
  const what = /[\s]/.test(value) ? "a blank or a line break" : "a character that is not ASCII";
  throw cannot(`use ${name}`, {
    config: `it has ${what} inside, expected a key as the store has given it out`,
  });
}

/** What {@linkcode providerFor} takes. */
export interface ProviderOptions {
  settings: StoreSettings;
  context: BackendContext;
  http: HttpClient;
  region: string;
  /** URI of the bucket, for messages. */
  object: string;
}

/**
 * The provider that the settings and the environment ask for.
 *
 * @throws CopilotError `config` for an `auth_type` that is not known, and for half of what a provider needs
 */
export function providerFor(options: ProviderOptions): Provider {
  const { env, system } = options.context;
  const origin = credentialOrigin(options.settings, env);
  switch (origin.kind) {
    case "settings":
      return configured(options.settings);
    case "profile":
      return profile(options, origin.name);
    case "environment":
      return environment(env);
    case "web-identity":
      return webIdentity(options, origin.tokenFile);
    case "container":
      return renewed(
        options,
        "the container's endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI)",
        containerCredentials,
      );
    case "ambient": {
      const isThere = Object.values(sharedFiles(env)).some((path) => system.files.stat(path) !== null);
      return isThere ? profile(options, "default") : instance(options);
    }
  }
}

function configured({ values, secrets }: StoreSettings): Provider {
  const { access_key_id: id = "" } = values;
  const { secret_key: secret, token } = secrets;
  if (id === "" || secret === undefined || secret.reveal() === "") {
    const missing = id === "" ? "access_key_id" : "secret_key";
    throw cannot("sign requests", {
      config: `storage.stow.config has no ${missing}, expected both keys or auth_type=iam`,
    });
  }
  return fixed(IN_SETTINGS, {
    accessKeyId: id,
    secretAccessKey: secret,
    ...(token !== undefined && token.reveal() !== "" && { sessionToken: token }),
  });
}

function environment(env: Readonly<Record<string, string>>): Provider {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env;
  if (id && secret) {
    return fixed(IN_ENVIRONMENT, {
      accessKeyId: id,
      secretAccessKey: new Secret(secret),
      ...(token && { sessionToken: new Secret(token) }),
    });
  }
  const missing = id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID";
  throw cannot("sign requests", { config: `${missing} is not set, expected both keys or none` });
}

/** Milliseconds that a service of this machine may take. The agent of EKS asks AWS before it answers. */
const LOCAL_PATIENCE = { connectTimeoutMs: 1000, headTimeoutMs: 10_000, stallTimeoutMs: 5000 };

function identityContext({ context, http, region, object }: ProviderOptions): IdentityContext {
  const { env, system: { clock, files, network }, signal } = context;
  return {
    env,
    files,
    http,
    localClient: () => new HttpClient({ network, clock, caCerts: context.caCerts, ...LOCAL_PATIENCE }),
    nowMs: () => clock.nowMs(),
    region,
    object,
    signal,
  };
}

/** A provider that is asked again; errors name it. */
function renewed(
  options: ProviderOptions,
  name: string,
  load: (operation: Operation, context: IdentityContext) => Promise<Credentials>,
): Provider {
  const { object } = options;
  const operation = { action: "get credentials for", object, via: `from ${name}` };
  return {
    name,
    isFixed: false,
    async fetch() {
      try {
        return await load(operation, identityContext(options));
      } catch (thrown) {
        const error = from(thrown, { ...operation, fallback: "unavailable" });
        throw error.code === "aborted" ? error : error.within(operation);
      }
    },
  };
}

function webIdentity(options: ProviderOptions, path: string): Provider {
  const { env } = options.context;
  const arn = env.AWS_ROLE_ARN;
  if (!arn) {
    throw cannot("use AWS_WEB_IDENTITY_TOKEN_FILE", {
      config: "AWS_ROLE_ARN is not set, expected the role that the token is for",
    });
  }
  const role = { arn, sessionName: env.AWS_ROLE_SESSION_NAME || "copilot" };
  const name = "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN";
  return renewed(
    options,
    name,
    (operation, context) =>
      assumeRoleWithToken(role, { path, what: "AWS_WEB_IDENTITY_TOKEN_FILE", operation }, context),
  );
}

function profile(options: ProviderOptions, name: string): Provider {
  return renewed(
    options,
    `the profile "${name}" of the shared files`,
    (operation, context) => profileCredentials(name, operation, context),
  );
}

function instance(options: ProviderOptions): Provider {
  const tried =
    "after storage.stow.config access_key_id, AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, " +
    "AWS_CONTAINER_CREDENTIALS_FULL_URI and the shared files, none of which is there";
  return renewed(options, `the instance's metadata service, ${tried}`, instanceCredentials);
}
