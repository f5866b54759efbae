/**
 * The environment variables that stores, platforms and libraries define: the program reads these and those of its flags.
 * @module
 */

/** Variables whose values are credentials. */
export const SECRET_VARIABLES = [
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AZURE_CLIENT_SECRET",
  "AZURE_STORAGE_KEY",
  "AZURE_STORAGE_SAS_TOKEN",
  "IDENTITY_HEADER",
] as const;

/** Variables with a proxy's URL, which may hold a password. */
export const PROXY_VARIABLES = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "http_proxy",
  "https_proxy",
] as const;

const GENERAL = [
  "HOME",
  "NO_PROXY",
  "no_proxy",
  "NO_COLOR",
  "SSL_CERT_FILE",
  "TERM",
];

const AWS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_ACCOUNT_ID",
  "AWS_CA_BUNDLE",
  "AWS_CONFIG_FILE",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CREDENTIAL_EXPIRATION",
  "AWS_DEFAULT_REGION",
  "AWS_EC2_METADATA_DISABLED",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
  "AWS_EC2_METADATA_V1_DISABLED",
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_S3",
  "AWS_ENDPOINT_URL_STS",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
  "AWS_PROFILE",
  "AWS_REGION",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_STS_REGIONAL_ENDPOINTS",
  "AWS_USE_DUALSTACK_ENDPOINT",
  "AWS_USE_FIPS_ENDPOINT",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
];

const GOOGLE = [
  "GCE_METADATA_HOST",
  "GOOGLE_APPLICATION_CREDENTIALS",
  "GOOGLE_CLOUD_PROJECT",
  "STORAGE_EMULATOR_HOST",
];

const AZURE = [
  "AZURE_AUTHORITY_HOST",
  "AZURE_CLIENT_ID",
  "AZURE_FEDERATED_TOKEN_FILE",
  "AZURE_STORAGE_ACCOUNT",
  "AZURE_TENANT_ID",
  "IDENTITY_ENDPOINT",
];

const KUBERNETES = ["HOSTNAME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

/** The yaml package looks at these while it parses, and a name without permission would throw. */
const LIBRARIES = ["LOG_STREAM", "LOG_TOKENS"];

/** Every variable that is not a flag's. */
export const PLATFORM_VARIABLES: readonly string[] = [
  ...SECRET_VARIABLES,
  ...PROXY_VARIABLES,
  ...GENERAL,
  ...AWS,
  ...GOOGLE,
  ...AZURE,
  ...KUBERNETES,
  ...LIBRARIES,
];
