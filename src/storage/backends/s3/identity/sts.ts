/**
 * AWS Security Token Service: a role's credentials for a web identity (IRSA), or for other credentials.
 * @module
 */
import { encodeText } from "../../../cloud/percent_encoding.ts";
import type { Operation } from "../../../../errors.ts";
import { parseHttpUrl } from "../../../../http/origin.ts";
import { stsUrl } from "../endpoints.ts";
import { sha256Hex, Signer } from "../sigv4.ts";
import { readXml } from "../../../cloud/xml.ts";
import { ask, type Credentials, credentialsOf, type IdentityContext, readToken, refusal } from "./mod.ts";

const VERSION = "2011-06-15";

/** Which role. */
export interface Role {
  arn: string;
  sessionName: string;
  externalId?: string | undefined;
  durationS?: string | undefined;
}

/**
 * Credentials of a role for the token in a file, which is read anew each time.
 *
 * @param names.what the setting that names the file, for messages
 */
export async function assumeRoleWithToken(
  role: Role,
  { path, what, operation }: { path: string; what: string; operation: Operation },
  context: IdentityContext,
): Promise<Credentials> {
  const token = readToken(path, what, context);
  const form = formOf("AssumeRoleWithWebIdentity", role, [["WebIdentityToken", token]]);
  return await send(form, { operation, context, secrets: [token], sign: () => [] });
}

/** Credentials of a role for those of somebody who may take it on. */
export async function assumeRole(
  role: Role,
  source: Credentials,
  { operation, context }: { operation: Operation; context: IdentityContext },
): Promise<Credentials> {
  const form = formOf("AssumeRole", role, []);
  const sign = (url: string) => {
    const { origin } = parseHttpUrl(url, "AWS_ENDPOINT_URL_STS");
    const part = {
      method: "POST",
      path: "/",
      query: "",
      host: origin.authority,
      headers: [],
      payload: sha256Hex(form),
    };
    return new Signer(context.region, "sts").sign(part, source, context.nowMs());
  };
  return await send(form, { operation, context, secrets: [source.secretAccessKey.reveal()], sign });
}

function formOf(action: string, role: Role, more: readonly (readonly [string, string])[]): string {
  const fields: (readonly [string, string | undefined])[] = [
    ["Action", action],
    ["Version", VERSION],
    ["RoleArn", role.arn],
    ["RoleSessionName", role.sessionName],
    ["ExternalId", role.externalId],
    ["DurationSeconds", role.durationS],
    ...more,
  ];
  return fields.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeText(value!)}`)
    .join("&");
}

async function send(
  form: string,
  { operation, context, secrets, sign }: {
    operation: Operation;
    context: IdentityContext;
    secrets: readonly string[];
    sign(url: string): readonly (readonly [string, string])[];
  },
): Promise<Credentials> {
  const { url, from } = stsUrl(context.region, context.env);
  const { origin } = parseHttpUrl(url, from);
  const request = {
    method: "POST",
    url: `${origin.key}/`,
    from,
    headers: [["content-type", "application/x-www-form-urlencoded"], ...sign(url)] as const,
    body: new TextEncoder().encode(form),
    operation,
  };
  const reply = await ask(context.http, request, context);
  if (reply.status !== 200) throw refusal(reply, { operation, nowMs: context.nowMs() }, secrets);
  return credentialsOf(partsOf(reply.text), operation);
}

/** The elements of `Credentials`; none for a text that is no such document. */
function partsOf(xml: string): Record<string, string> {
  const parts: Record<string, string> = {};
  try {
    readXml(xml, (name, parent, text) => {
      if (parent === "Credentials") parts[name] = text.trim();
    });
  } catch {
    return {};
  }
  return parts;
}
