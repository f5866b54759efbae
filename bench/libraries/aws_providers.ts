/** Keys by the AWS SDK's provider for a container's endpoint, as EKS Pod Identity and ECS have it: `ENDPOINT` serves them. */
import { fromContainerMetadata } from "@aws-sdk/credential-providers";

Deno.env.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", `${Deno.env.get("ENDPOINT")}/credentials`);
const { accessKeyId } = await fromContainerMetadata({ maxRetries: 0 })();
if (accessKeyId !== "AKIDEXAMPLE") throw new Error(`Got "${accessKeyId}"`);
