/**
 * A server that speaks the protocols by which Google gives tokens, and that serves one object to whoever has a valid one.
 * @module
 */
import assert from "assert";
import { generateKeyPairSync, verify } from "node:crypto";

/** The service account's key, made once for all tests. */
const KEY = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

/** What nobody but the server may see. */
export const SECRETS = [
  KEY.privateKey,
  KEY.privateKey.split("\n")[3]!,
  "a-refresh-token",
  "a-client-secret",
  "subject-token",
  "aws-secret-key",
  "aws-session-token",
  "token-",
];

/** A request as it came. */
export interface Seen {
  method: string;
  path: string;
  headers: Headers;
  body: string;
}

function fail(status: number, error: string, description: string, headers: HeadersInit = {}): Response {
  return Response.json({ error, error_description: description }, { status, headers });
}

/** The server. `using` ends it. */
export class GoogleServer {
  readonly seen: Seen[] = [];
  /** Tokens that the store takes. */
  readonly valid = new Set<string>();
  /** Subject tokens of the other identity provider that are taken. */
  readonly subjects = new Set(["subject-token-1"]);
  /** Lifetime of tokens. */
  expiresInSeconds = 3600;
  /** Answers of the next requests for tokens in place of the right ones; null for the right one. */
  readonly instead: ((seen: Seen) => Response | Promise<Response> | null)[] = [];
  #count = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      const seen = {
        method: request.method,
        path: pathname + search,
        headers: request.headers,
        body: await request.text(),
      };
      this.seen.push(seen);
      return await this.#answer(pathname, seen);
    });
  }

  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** Requests that were not for the object. */
  get exchanges(): Seen[] {
    return this.seen.filter(({ path }) => !path.startsWith("/storage/"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  /** The text of a service account's key file. */
  serviceAccount(change: Record<string, unknown> = {}): string {
    return JSON.stringify({
      type: "service_account",
      project_id: "p",
      private_key_id: "id",
      private_key: KEY.privateKey,
      client_email: "robot@p.iam.gserviceaccount.com",
      token_uri: `${this.url}/token`,
      ...change,
    });
  }

  /** The text of a user's credential file. */
  user(change: Record<string, unknown> = {}): string {
    return JSON.stringify({
      type: "authorized_user",
      client_id: "a-client",
      client_secret: "a-client-secret",
      refresh_token: "a-refresh-token",
      token_uri: `${this.url}/token`,
      ...change,
    });
  }

  /** The text of a federation's credential file. */
  federation(source: Record<string, unknown>, change: Record<string, unknown> = {}): string {
    return JSON.stringify({
      type: "external_account",
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${this.url}/sts`,
      credential_source: source,
      ...change,
    });
  }

  async #answer(path: string, seen: Seen): Promise<Response> {
    if (path.startsWith("/storage/")) return this.#object(seen);
    const instead = await this.instead.shift()?.(seen);
    if (instead) return instead;
    const form = new URLSearchParams(seen.body);
    switch (path) {
      case "/token":
        return this.#oauth(form);
      case "/sts":
        return this.#sts(form);
      case "/subject":
        if (seen.headers.get("x-ask") !== "please") return fail(403, "forbidden", "No");
        return Response.json({ value: [...this.subjects][0] });
      case "/computeMetadata/v1/instance/service-accounts/default/token":
        if (seen.headers.get("metadata-flavor") !== "Google") return fail(403, "forbidden", "No");
        return this.#token({ "Metadata-Flavor": "Google" });
      case "/imds/token":
        return new Response("imds-token");
      case "/imds/region":
        return new Response("eu-west-1b");
      case "/imds/credentials":
        return new Response("a-role");
      case "/imds/credentials/a-role":
        return Response.json({
          AccessKeyId: "an-access-key",
          SecretAccessKey: "aws-secret-key",
          Token: "aws-session-token",
        });
    }
    return path.endsWith(":generateAccessToken")
      ? this.#impersonated(seen)
      : fail(404, "not_found", "No such path");
  }

  #token(headers: HeadersInit = {}): Response {
    const access_token = `token-${++this.#count}`;
    this.valid.add(access_token);
    return Response.json({ access_token, expires_in: this.expiresInSeconds, token_type: "Bearer" }, {
      headers,
    });
  }

  #oauth(form: URLSearchParams): Response {
    if (form.get("grant_type") === "refresh_token") {
      const isRight = form.get("refresh_token") === "a-refresh-token" &&
        form.get("client_secret") === "a-client-secret" && form.get("client_id") === "a-client";
      // Careless servers repeat what they were sent.
      return isRight ? this.#token() : fail(400, "invalid_grant", `Bad token ${form.get("refresh_token")}`);
    }
    const assertion = form.get("assertion") ?? "";
    const [head, claims, signature] = assertion.split(".").map((part) =>
      Uint8Array.fromBase64(part, { alphabet: "base64url" })
    );
    const signed = new TextEncoder().encode(assertion.slice(0, assertion.lastIndexOf(".")));
    if (!verify("RSA-SHA256", signed, KEY.publicKey, signature!)) {
      return fail(400, "invalid_grant", `Invalid JWT Signature of ${assertion}`);
    }
    assert.equal(JSON.parse(new TextDecoder().decode(head)).alg, "RS256");
    const { iss, aud, scope, iat, exp } = JSON.parse(new TextDecoder().decode(claims));
    assert.deepEqual([iss, aud, exp - iat], ["robot@p.iam.gserviceaccount.com", `${this.url}/token`, 3600]);
    this.scope = scope;
    return this.#token();
  }

  /** The scopes that the last token was asked for. */
  scope: string | null = null;

  #sts(form: URLSearchParams): Response {
    this.scope = form.get("scope");
    const subject = form.get("subject_token") ?? "";
    const isAws = decodeURIComponent(subject).includes("AWS4-HMAC-SHA256");
    if (isAws || this.subjects.has(subject)) return this.#token();
    return fail(400, "invalid_grant", `The subject token ${subject} is not known`);
  }

  #impersonated({ headers, body }: Seen): Response {
    if (!this.valid.has(headers.get("authorization")?.replace("Bearer ", "") ?? "")) {
      return Response.json({ error: { code: 401, message: `No: ${headers.get("authorization")}` } }, {
        status: 401,
      });
    }
    this.scope = JSON.parse(body).scope.join(" ");
    const accessToken = `token-${++this.#count}`;
    this.valid.add(accessToken);
    const expireTime = new Date(Date.now() + this.expiresInSeconds * 1000).toISOString();
    return Response.json({ accessToken, expireTime });
  }

  #object({ headers }: Seen): Response {
    const token = headers.get("authorization")?.replace("Bearer ", "") ?? "";
    if (this.valid.has(token)) return Response.json({ name: "k", size: "1", generation: "1" });
    return Response.json({ error: { code: 401, message: "Invalid Credentials" } }, { status: 401 });
  }
}
