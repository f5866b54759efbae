/**
 * The AWS SDK's sources of credentials, as a module that is imported when one is configured; see src/yaml.ts for why.
 * @module
 */
export { fromHttp, fromIni, fromInstanceMetadata, fromWebToken } from "@aws-sdk/credential-providers";
