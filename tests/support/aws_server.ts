/**
 * The services that a pod on AWS gets its credentials from (STS, the container's endpoint, the instance's metadata), and a bucket
 * that takes nobody else's, all on one address of the loopback interface.
 * @module
 */

/** A failure that comes before an answer: a status with a body, or no answer at all. */
export type Failure = { status: number; body?: string; headers?: Record<string, string> } | "hang";

/** Lines of text that the services know and nobody else may show. */
export function secretsOf(generation: number): string[] {
  return [`identity-secret-${generation}`, `identity-session-${generation}`];
}

/** A web identity token or an agent's token, as it must arrive. */
export const TOKEN = "eyJhbGciOiJub25lIn0.the-token";

const S3 = "/bucket/";
const IMDS_TOKEN = "imds-session-token";

/** All of it. */
export class AwsServer {
  /** Requests as `METHOD /path`, S3's without query. */
  readonly requests: string[] = [];
  readonly objects = new Map<string, Uint8Array>();
  /** Answers of the services to come, before they answer truly. */
  readonly failures: Failure[] = [];
  /** Credentials handed out so far. */
  generation = 0;
  /** How long credentials last. */
  lifetimeMs = 3600_000;
  /** The bucket takes credentials of this generation and later. */
  oldest = 1;
  /** After so many requests to the bucket only a new generation is taken. */
  rotateAfter = Infinity;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #released = Promise.withResolvers<void>();
  #served = 0;

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#released.resolve();
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    this.requests.push(`${request.method} ${pathname}`);
    if (pathname.startsWith(S3)) {
      return this.#bucket(request, decodeURIComponent(pathname.slice(S3.length)), body);
    }
    const failure = this.failures.shift();
    if (failure === "hang") await this.#released.promise;
    else if (failure !== undefined) {
      return new Response(failure.body ?? "", { status: failure.status, headers: failure.headers ?? {} });
    }
    if (pathname === "/") return this.#sts(request, new URLSearchParams(new TextDecoder().decode(body)));
    if (pathname === "/v1/credentials") return this.#container(request);
    return this.#instance(request, pathname);
  }

  #next() {
    const generation = ++this.generation;
    const [secret, session] = secretsOf(generation);
    const expiration = new Date(Date.now() + this.lifetimeMs).toISOString();
    return { id: `ASIA${generation}`, secret: secret!, session: session!, expiration };
  }

  #sts(request: Request, form: URLSearchParams): Response {
    const action = form.get("Action");
    const token = form.get("WebIdentityToken");
    if (action === "AssumeRoleWithWebIdentity" && token !== TOKEN) {
      return stsError(400, "InvalidIdentityToken", `The token ${token} is not valid`);
    }
    const signature = request.headers.get("authorization") ?? "";
    if (action === "AssumeRole" && !/Credential=AKIASTATIC\/.*\/sts\/aws4_request/.test(signature)) {
      return stsError(403, "AccessDenied", "Not authorized to perform sts:AssumeRole");
    }
    const { id, secret, session, expiration } = this.#next();
    return new Response(
      `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>` +
        `<AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey>` +
        `<SessionToken>${session}</SessionToken><Expiration>${expiration}</Expiration>` +
        `</Credentials></${action}Result></${action}Response>`,
    );
  }

  #container(request: Request): Response {
    const token = request.headers.get("authorization");
    if (token !== TOKEN) {
      return Response.json({ code: "AccessDenied", message: `unknown: ${token}` }, { status: 401 });
    }
    const { id, secret, session, expiration } = this.#next();
    return Response.json({
      AccessKeyId: id,
      SecretAccessKey: secret,
      Token: session,
      Expiration: expiration,
    });
  }

  #instance(request: Request, path: string): Response {
    if (path === "/latest/api/token") {
      const isSession = request.method === "PUT" &&
        request.headers.has("x-aws-ec2-metadata-token-ttl-seconds");
      return isSession ? new Response(IMDS_TOKEN) : new Response("", { status: 400 });
    }
    if (request.headers.get("x-aws-ec2-metadata-token") !== IMDS_TOKEN) {
      return new Response("", { status: 401 });
    }
    const roles = "/latest/meta-data/iam/security-credentials/";
    if (path === roles) return new Response("the-role");
    if (path !== `${roles}the-role`) return new Response("", { status: 404 });
    const { id, secret, session, expiration } = this.#next();
    return Response.json({
      Code: "Success",
      Type: "AWS-HMAC",
      AccessKeyId: id,
      SecretAccessKey: secret,
      Token: session,
      Expiration: expiration,
    });
  }

  #bucket(request: Request, key: string, body: Uint8Array): Response {
    if (this.#served++ === this.rotateAfter) this.oldest = this.generation + 1;
    const signature = request.headers.get("authorization") ?? "";
    const generation = Number(/Credential=ASIA([0-9]+)\//.exec(signature)?.[1]);
    const session = request.headers.get("x-amz-security-token");
    if (!(generation >= 1) || session !== secretsOf(generation)[1]) return s3Error(403, "InvalidAccessKeyId");
    if (generation < this.oldest) return s3Error(400, "ExpiredToken");
    if (request.method === "PUT") {
      this.objects.set(key, body);
      return new Response(null, { headers: { etag: '"put"' } });
    }
    const found = this.objects.get(key);
    if (found === undefined) return s3Error(404, "NoSuchKey");
    const bytes = request.method === "HEAD" ? null : found as Uint8Array<ArrayBuffer>;
    return new Response(bytes, { headers: { etag: '"got"', "content-length": String(found.length) } });
  }
}

function stsError(status: number, code: string, message: string): Response {
  const text =
    `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
  return new Response(text, { status });
}

function s3Error(status: number, code: string): Response {
  return new Response(`<Error><Code>${code}</Code><Message>no</Message></Error>`, { status });
}
