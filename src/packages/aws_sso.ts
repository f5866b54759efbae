/**
 * The AWS SDK's provider for IAM Identity Center; see yaml.ts.
 * @module
 */
export { fromSSO } from "@aws-sdk/credential-provider-sso";
