/**
 * Profiles of the shared files (~/.aws/config, ~/.aws/credentials).
 * @module
 */
import { CopilotError, type Operation } from "../../../../errors.ts";
import { sharedFiles } from "../endpoints.ts";
import { containerCredentials } from "./container.ts";
import { instanceCredentials } from "./instance.ts";
import { type Credentials, credentialsOf, type IdentityContext, readText } from "./mod.ts";
import { assumeRole, assumeRoleWithToken, type Role } from "./sts.ts";

/** Settings of the profiles by name. */
type Profiles = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** What needs a program or a person while the run goes on. */
const UNSUPPORTED = ["credential_process", "login_session", "mfa_serial"];

/**
 * Profiles out of a file's text: `[name]` and, in the config file, `[profile name]`; `key = value`; comments.
 *
 * @param kind in the config file only `default` goes without `profile`
 */
export function parseProfiles(text: string, kind: "config" | "credentials"): Profiles {
  const profiles = new Map<string, Record<string, string>>();
  let current: Record<string, string> | null = null;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const section = /^\[([^\]]*)\]/.exec(line)?.[1]?.trim();
    if (section !== undefined) {
      const name = kind === "credentials" || section === "default"
        ? section
        : /^profile\s+(\S.*)$/.exec(section)?.[1];
      current = name === undefined ? null : profiles.get(name) ?? {};
      if (name !== undefined) profiles.set(name, current!);
      continue;
    }
    // What is indented belongs to the setting before it.
    const pair = /^([^\s=]+)\s*=(.*)$/.exec(line);
    if (pair !== null && current !== null) {
      current[pair[1]!.toLowerCase()] = withoutComment(pair[2]!.trim()).trim();
    }
  }
  return profiles;
}

/** A value without the comment that stands behind a blank. */
function withoutComment(value: string): string {
  const at = value.search(/\s[#;]/);
  return at < 0 ? value : value.slice(0, at);
}

/** Credentials of a profile, and of the profiles that it refers to. */
export async function profileCredentials(
  name: string,
  operation: Operation,
  context: IdentityContext,
): Promise<Credentials> {
  const files = sharedFiles(context.env);
  const read = (path: string, kind: "config" | "credentials") =>
    context.files.stat(path) === null
      ? new Map<string, Record<string, string>>()
      : parseProfiles(readText(path, `the ${kind} file`, context), kind);
  const [config, credentials] = [read(files.config, "config"), read(files.credentials, "credentials")];
  const profiles = new Map([...new Set([...config.keys(), ...credentials.keys()])]
    .map((key) => [key, { ...config.get(key), ...credentials.get(key) }]));
  return await new Resolver(profiles, operation, context).resolve(name, []);
}

/** Follows `source_profile`. */
class Resolver {
  readonly #profiles: Profiles;
  readonly #operation: Operation;
  readonly #context: IdentityContext;

  constructor(profiles: Profiles, operation: Operation, context: IdentityContext) {
    this.#profiles = profiles;
    this.#operation = operation;
    this.#context = context;
  }

  async resolve(name: string, trail: readonly string[]): Promise<Credentials> {
    const settings = this.#profiles.get(name);
    if (settings === undefined) throw this.#refuse("config", `there is no profile "${name}"`);
    const isOwnSource = trail.at(-1) === name;
    if (!isOwnSource && trail.includes(name)) {
      throw this.#refuse("config", `the profile "${name}" is its own source: ${[...trail, name].join(", ")}`);
    }
    const hasKeys = settings.aws_access_key_id !== undefined && settings.aws_secret_access_key !== undefined;
    const takesRole = settings.role_arn !== undefined && !isOwnSource;
    const odd = UNSUPPORTED.find((key) => settings[key] !== undefined);
    // Keys come before a program or a browser, as in the AWS SDKs.
    if (odd !== undefined && (takesRole || !hasKeys)) {
      throw this.#refuse(
        "unsupported",
        `the profile "${name}" has ${odd}, which needs a program or a person, expected keys, a role or sso_session`,
      );
    }
    if (takesRole) return await this.#role(name, settings, trail);
    if (!hasKeys && (settings.sso_session ?? settings.sso_start_url) !== undefined) {
      const { ssoCredentials } = await import("./sso.ts");
      return await ssoCredentials(name, this.#operation, this.#context);
    }
    if (!hasKeys) {
      throw this.#refuse(
        "config",
        `the profile "${name}" has no credentials, expected aws_access_key_id and aws_secret_access_key, role_arn, or sso_session`,
      );
    }
    return credentialsOf({
      AccessKeyId: settings.aws_access_key_id,
      SecretAccessKey: settings.aws_secret_access_key,
      SessionToken: settings.aws_session_token,
    }, this.#operation);
  }

  async #role(
    name: string,
    settings: Readonly<Record<string, string>>,
    trail: readonly string[],
  ): Promise<Credentials> {
    const role: Role = {
      arn: settings.role_arn!,
      sessionName: settings.role_session_name ?? "copilot",
      externalId: settings.external_id,
      durationS: settings.duration_seconds,
    };
    const [operation, context] = [this.#operation, this.#context];
    const token = settings.web_identity_token_file;
    if (token !== undefined) {
      return await assumeRoleWithToken(role, {
        path: token,
        what: `web_identity_token_file of "${name}"`,
        operation,
      }, context);
    }
    const source = settings.source_profile;
    const credentials = source !== undefined
      ? await this.resolve(source, [...trail, name])
      : await this.#fromSource(name, settings.credential_source);
    return await assumeRole(role, credentials, { operation, context });
  }

  async #fromSource(name: string, source: string | undefined): Promise<Credentials> {
    const { env } = this.#context;
    switch (source) {
      case "Environment":
        return credentialsOf({
          AccessKeyId: env.AWS_ACCESS_KEY_ID,
          SecretAccessKey: env.AWS_SECRET_ACCESS_KEY,
          SessionToken: env.AWS_SESSION_TOKEN,
        }, this.#operation);
      case "EcsContainer":
        return await containerCredentials(this.#operation, this.#context);
      case "Ec2InstanceMetadata":
        return await instanceCredentials(this.#operation, this.#context);
    }
    throw this.#refuse(
      "config",
      `the profile "${name}" has a role and nobody who takes it on, expected source_profile, web_identity_token_file, or ` +
        "credential_source of Environment, EcsContainer or Ec2InstanceMetadata",
    );
  }

  #refuse(code: "config" | "unsupported", why: string): CopilotError {
    return new CopilotError(code, { ...this.#operation, detail: why });
  }
}
