/** What it costs to have the library and one credential; its authorities must speak TLS, so none is asked. */
import { WorkloadIdentityCredential } from "@azure/identity";

new WorkloadIdentityCredential({ tenantId: "t", clientId: "c", tokenFilePath: "/dev/null" });
