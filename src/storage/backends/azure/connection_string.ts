/**
 * AZURE_STORAGE_CONNECTION_STRING: an account's address and key or shared access signature in one text
 * (https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string). Pure.
 * @module
 */
import { Secret } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";

const NAME = "AZURE_STORAGE_CONNECTION_STRING";

/** What a connection string says. */
export interface ConnectionString {
  account: string;
  /** The account's blob service where it is not at its usual place. */
  blobEndpoint: string | undefined;
  /** The domain of its usual place. */
  suffix: string | undefined;
  key: Secret | undefined;
  sas: Secret | undefined;
}

/**
 * The connection string of the environment; null where there is none.
 *
 * @throws CopilotError `config` for one that names no account or holds no credentials; nothing of it is repeated
 */
export function connectionString(env: Readonly<Record<string, string>>): ConnectionString | null {
  const text = env[NAME]?.trim() ?? "";
  if (text === "") return null;
  const fields = new Map(
    text.split(";").filter((field) => field.trim() !== "").map((field) => {
      const at = field.indexOf("=");
      return [field.slice(0, Math.max(at, 0)).trim().toLowerCase(), field.slice(at + 1).trim()];
    }),
  );
  const given = (name: string) => fields.get(name.toLowerCase()) || undefined;
  const secret = (name: string) => given(name) === undefined ? undefined : new Secret(given(name)!);
  const [key, sas, blobEndpoint] = [
    secret("AccountKey"),
    secret("SharedAccessSignature"),
    given("BlobEndpoint"),
  ];
  // With a SAS the account may stand in the endpoint only.
  const account = given("AccountName") ??
    /^https?:\/\/([a-z0-9]{3,24})\.blob\./.exec(blobEndpoint ?? "")?.[1];
  if (account !== undefined && (key ?? sas) !== undefined) {
    return { account, blobEndpoint, suffix: given("EndpointSuffix"), key, sas };
  }
  const what = account === undefined ? "it names no account" : "it holds no credentials";
  throw cannot(`use ${NAME}`, {
    config: `${what}, expected AccountName=…;AccountKey=… or BlobEndpoint=…;SharedAccessSignature=…`,
  });
}
