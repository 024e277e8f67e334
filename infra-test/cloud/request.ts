import { credentials, region } from "../servers/server-group.ts";

/** How a service is spoken to. */
export interface Service {
  /** As requests are signed for it. */
  readonly name: string;
  /** The prefix of `X-Amz-Target`, of services that speak JSON. */
  readonly target?: string;
  /** The version of the API, of services that speak forms and XML. */
  readonly version?: string;
}

/** LocalStack reads whose and which service's a request is from its signature, and checks no more of it. */
const authorization = (service: string): string =>
  `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`;

/** Asks a service for which there is no client among the packages. Gives the answer's text; throws with it where it is an error. */
export async function ask(
  endpoint: string,
  service: Service,
  action: string,
  parameters: Record<string, string> = {},
): Promise<string> {
  const json = service.target !== undefined;
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      authorization: authorization(service.name),
      "content-type": json ? "application/x-amz-json-1.1" : "application/x-www-form-urlencoded",
      ...(json ? { "x-amz-target": `${service.target}.${action}` } : {}),
    },
    body: json
      ? JSON.stringify(parameters)
      : new URLSearchParams({ Action: action, Version: service.version ?? "", ...parameters }).toString(),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${service.name} ${action}: ${response.status} ${text.slice(0, 500)}`);
  return text;
}
