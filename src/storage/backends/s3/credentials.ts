/**
 * Credentials for S3: given ones, or those of the platform, fetched by the AWS SDK and renewed before they run out.
 *
 * The platform's provider is chosen by what is configured and not by trial: a role that cannot be assumed is an error, and
 * never leads to the node's weaker or stronger identity.
 * @module
 */
import { Secret, type StoreSettings } from "../../../config.ts";
import { CopilotError, from } from "../../../errors.ts";
import type { BackendContext } from "../../backend.ts";
import type { HttpClient } from "../../http/client.ts";
import { isTrue } from "./address.ts";
import { s3Error } from "./reply.ts";
import { faultOf, sdkConfig } from "./sdk.ts";

/** What requests are signed with. A renewal is another object. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: Secret;
  sessionToken?: Secret;
  /** Milliseconds since 1970; absent for credentials that do not run out. */
  expiresAtMs?: number;
}

/** Credentials as the SDK gives them. */
interface Identity {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

/** A way to get credentials. */
export interface Provider {
  /** For messages: what it is and where it is configured. */
  name: string;
  /** A renewal would give the same. */
  isFixed: boolean;
  fetch(): Promise<Credentials>;
}

/** Credentials are renewed this long before they run out. */
const RENEWAL_MS = 5 * 60_000;

/** Gives credentials, fetched once for all who ask at the same time. */
export class CredentialSource {
  readonly #provider: Provider;
  readonly #now: () => number;
  #current: Credentials | null = null;
  #fetching: Promise<Credentials> | null = null;

  /** @param now milliseconds since 1970 */
  constructor(provider: Provider, now: () => number) {
    this.#provider = provider;
    this.#now = now;
  }

  /** Credentials that are valid now, or a promise of them. */
  get(): Credentials | Promise<Credentials> {
    const current = this.#current;
    if (current === null) return this.#fetch();
    if (current.expiresAtMs === undefined || current.expiresAtMs - this.#now() > RENEWAL_MS) return current;
    // A renewal that fails does not matter while the old ones are good.
    return this.#fetch().catch((thrown) => {
      if (current.expiresAtMs! > this.#now()) return current;
      throw thrown;
    });
  }

  /** Forgets credentials that a server refused; false where others cannot be had. */
  renew(refused: Credentials): boolean {
    if (this.#provider.isFixed) return false;
    if (this.#current === refused) this.#current = null;
    return true;
  }

  #fetch(): Promise<Credentials> {
    this.#fetching ??= this.#provider.fetch().then((credentials) => this.#current = credentials)
      .finally(() => this.#fetching = null);
    return this.#fetching;
  }
}

function fixed(name: string, credentials: Credentials): Provider {
  return { name, isFixed: true, fetch: () => Promise.resolve(credentials) };
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
 * @throws CopilotError `config` for an `auth_type` that is not known or lacks its keys
 */
export function providerFor(options: ProviderOptions): Provider {
  const { values, secrets } = options.settings;
  const kind = values.auth_type ?? "";
  const id = values.access_key_id ?? "";
  const secret = secrets.secret_key;
  const token = secrets.token;
  if (!["", "accesskey", "iam"].includes(kind)) {
    throw new CopilotError(
      "config",
      `Cannot use storage.stow.config auth_type "${kind}": expected accesskey or iam`,
    );
  }
  if (kind === "iam" || (kind === "" && id === "" && secret === undefined)) return platformProvider(options);
  if (id === "" || secret === undefined || secret.reveal() === "") {
    const missing = id === "" ? "access_key_id" : "secret_key";
    throw new CopilotError(
      "config",
      `Cannot sign requests: storage.stow.config has no ${missing}, expected both keys or auth_type=iam`,
    );
  }
  return fixed("storage.stow.config access_key_id", {
    accessKeyId: id,
    secretAccessKey: secret,
    ...(token !== undefined && token.reveal() !== "" && { sessionToken: token }),
  });
}

/** The platform's credentials: profile, keys in the environment, web identity (IRSA), container (EKS Pod Identity, ECS), instance. */
function platformProvider(options: ProviderOptions): Provider {
  const { env } = options.context;
  if (env.AWS_PROFILE) return profile(options, env.AWS_PROFILE);
  if (env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY) {
    return fixed("AWS_ACCESS_KEY_ID", {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: new Secret(env.AWS_SECRET_ACCESS_KEY),
      ...(env.AWS_SESSION_TOKEN && { sessionToken: new Secret(env.AWS_SESSION_TOKEN) }),
    });
  }
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE && env.AWS_ROLE_ARN) return webIdentity(options);
  if (env.AWS_CONTAINER_CREDENTIALS_FULL_URI || env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) {
    return container(options);
  }
  const shared = env.AWS_SHARED_CREDENTIALS_FILE ?? `${env.HOME ?? "/"}/.aws/credentials`;
  if (options.context.system.files.stat(shared) !== null) return profile(options, "default");
  return instance(options);
}

/** A provider of the SDK; errors name what was used and what else is looked at. */
function fromSdk(options: ProviderOptions, name: string, load: () => Promise<Identity>): Provider {
  const action = `Cannot get credentials for "${options.object}" from ${name}`;
  return {
    name,
    isFixed: false,
    async fetch() {
      try {
        const { accessKeyId, secretAccessKey, sessionToken, expiration } = await load();
        return {
          accessKeyId,
          secretAccessKey: new Secret(secretAccessKey),
          ...(sessionToken !== undefined && { sessionToken: new Secret(sessionToken) }),
          ...(expiration !== undefined && { expiresAtMs: expiration.getTime() }),
        };
      } catch (thrown) {
        const fault = faultOf(thrown);
        if (fault !== null) throw s3Error(fault, action, options.object);
        throw from(thrown, action, { fallback: "unavailable", object: options.object });
      }
    },
  };
}

function clientConfig({ http, region, object, context }: ProviderOptions) {
  const endpoint = context.env.AWS_ENDPOINT_URL_STS ?? context.env.AWS_ENDPOINT_URL;
  return { ...sdkConfig({ http, region, object, signal: context.signal }), ...(endpoint && { endpoint }) };
}

function readToken(options: ProviderOptions, path: string): string {
  return new TextDecoder().decode(options.context.system.files.readFile(path, 64 * 1024)).trim();
}

function webIdentity(options: ProviderOptions): Provider {
  const { env } = options.context;
  return fromSdk(options, "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN", async () => {
    const { fromWebToken } = await import("./providers.ts");
    return await fromWebToken({
      roleArn: env.AWS_ROLE_ARN!,
      roleSessionName: env.AWS_ROLE_SESSION_NAME || "copilot",
      webIdentityToken: readToken(options, env.AWS_WEB_IDENTITY_TOKEN_FILE!),
      clientConfig: clientConfig(options),
    })();
  });
}

function container(options: ProviderOptions): Provider {
  const { env } = options.context;
  return fromSdk(options, "the container's endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI)", async () => {
    const { fromHttp } = await import("./providers.ts");
    const tokenFile = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
    // The token is read here: the SDK would send a line break at its end, which the agent refuses.
    const token = tokenFile ? readToken(options, tokenFile) : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
    return await fromHttp({
      ...(env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
        ? { awsContainerCredentialsRelativeUri: env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI }
        : { awsContainerCredentialsFullUri: env.AWS_CONTAINER_CREDENTIALS_FULL_URI! }),
      ...(token && { awsContainerAuthorizationToken: token }),
    })();
  });
}

function profile(options: ProviderOptions, name: string): Provider {
  return fromSdk(options, `the profile "${name}" of the shared files`, async () => {
    const { fromIni } = await import("./providers.ts");
    return await fromIni({ profile: name, clientConfig: clientConfig(options) })();
  });
}

function instance(options: ProviderOptions): Provider {
  const tried =
    "after storage.stow.config access_key_id, AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, " +
    "AWS_CONTAINER_CREDENTIALS_FULL_URI and the shared credentials file, none of which is there";
  const name = `the instance's metadata service, ${tried}`;
  const denied = (cause?: Error) =>
    new CopilotError(
      "denied",
      `Cannot get credentials for "${options.object}" from ${name}${cause ? `: ${cause.message}` : ""}`,
      {
        object: options.object,
      },
    );
  return fromSdk(options, name, async () => {
    if (isTrue(options.context.env.AWS_EC2_METADATA_DISABLED)) {
      throw denied(new Error("AWS_EC2_METADATA_DISABLED is set"));
    }
    const { fromInstanceMetadata } = await import("./providers.ts");
    try {
      return await fromInstanceMetadata({ timeout: 1000, maxRetries: 2 })();
    } catch (thrown) {
      throw denied(thrown as Error);
    }
  });
}
