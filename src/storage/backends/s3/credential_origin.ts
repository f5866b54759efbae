/**
 * Where S3's credentials come from: chosen by what is configured and not by trial, so that a role that cannot be assumed never
 * leads to the node's weaker or stronger identity.
 *
 * Pure, for the store and for the run's permissions. In this order:
 *  1. `storage.stow.config access_key_id` and `secret_key` (always with `auth_type=accesskey`, never with `iam`)
 *  2. AWS_PROFILE: a profile of the shared files
 *  3. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
 *  4. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (IRSA)
 *  5. AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI (EKS Pod Identity, ECS)
 *  6. the profile `default` where a shared file exists, else the instance's metadata service
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import type { Needs } from "../../cloud/permissions.ts";
import { awsDomain, containerUrl, metadataUrl, type NamedUrl, sharedFiles, stsUrl } from "./endpoints.ts";

type Env = Readonly<Record<string, string>>;

/** Where credentials come from. */
export type CredentialOrigin =
  | { kind: "settings" }
  | { kind: "profile"; name: string }
  | { kind: "environment" }
  | { kind: "web-identity"; tokenFile: string }
  | { kind: "container" }
  /** Nothing is configured. */
  | { kind: "ambient" };

/**
 * Which of the module's rules applies.
 *
 * @throws CopilotError `config` for an `auth_type` that is not known
 */
export function credentialOrigin({ values, secrets }: StoreSettings, env: Env): CredentialOrigin {
  const kind = values.auth_type ?? "";
  if (!["", "accesskey", "iam"].includes(kind)) {
    throw cannot("use storage.stow.config auth_type", kind, { config: "expected accesskey or iam" });
  }
  const hasKey = (values.access_key_id ?? "") !== "" || secrets.secret_key !== undefined;
  if (kind === "accesskey" || (kind === "" && hasKey)) return { kind: "settings" };
  if (env.AWS_PROFILE) return { kind: "profile", name: env.AWS_PROFILE };
  if (env.AWS_ACCESS_KEY_ID || env.AWS_SECRET_ACCESS_KEY) return { kind: "environment" };
  const tokenFile = env.AWS_WEB_IDENTITY_TOKEN_FILE;
  if (tokenFile) return { kind: "web-identity", tokenFile };
  return { kind: containerUrl(env) === null ? "ambient" : "container" };
}

/** What an origin of credentials needs to be reached. @param readText as in the permissions' context */
export function credentialNeeds(
  origin: CredentialOrigin,
  { region, env, readText }: { region: string; env: Env; readText(path: string): string | null },
): Needs {
  const container = containerUrl(env);
  const agent: Needs = {
    origins: container === null ? [] : [originOf(container)],
    paths: given(env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE),
  };
  switch (origin.kind) {
    case "settings":
    case "environment":
      return { origins: [] };
    case "web-identity":
      return { origins: [originOf(stsUrl(region, env))], paths: [origin.tokenFile] };
    case "container":
      return agent;
    case "profile":
    case "ambient": {
      const shared = Object.values(sharedFiles(env));
      const texts = shared.map(readText);
      const instance = originOf(metadataUrl(env));
      if (origin.kind === "ambient" && texts.every((text) => text === null)) {
        return { origins: [instance], paths: shared };
      }
      // A profile may name a role, an agent, the instance, or another profile.
      return {
        origins: [instance, ...agent.origins, originOf(stsUrl(region, env)), ...ssoOrigins(env)],
        patterns: [`*.${awsDomain(region)}`],
        paths: [...shared, ...agent.paths!, ...texts.flatMap((text) => profileFiles(text ?? "", env))],
      };
    }
  }
}

function originOf({ url, from }: NamedUrl) {
  return parseHttpUrl(url, from).origin;
}

function given(path: string | undefined): string[] {
  return path ? [path] : [];
}

function ssoOrigins({ AWS_ENDPOINT_URL_SSO: url }: Env) {
  return url ? [originOf({ url, from: "AWS_ENDPOINT_URL_SSO" })] : [];
}

/** Files that the profiles of a shared file name, and where sessions of `aws sso login` are. */
function profileFiles(text: string, { HOME = "" }: Env): string[] {
  return [...tokenFiles(text), ...(/^[ \t]*sso_/m.test(text) ? [`${HOME}/.aws/sso/cache`] : [])];
}

function tokenFiles(text: string): string[] {
  return [...text.matchAll(/^[ \t]*web_identity_token_file[ \t]*=[ \t]*(\S+)[ \t]*$/gim)].map(([, path]) =>
    path!
  );
}
