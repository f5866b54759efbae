/**
 * Google's library of credentials; see yaml.ts.
 * @module
 */
export { AwsClient, IdentityPoolClient, JWT, UserRefreshClient } from "google-auth-library";
