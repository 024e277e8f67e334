import * as z from "zod";
import { type ImageName, registryUrl } from "./doctor-image-name.ts";

/** What a registry says of an image to somebody who has not logged in. */
export type RegistryAnswer = "there" | "not-there" | "not-public" | { readonly unclear: string };

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

const Token = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/**
 * Asks the registry (OCI distribution, HTTP API v2) for the head of the image's manifest, with an anonymous token where it
 * wants one. Pulls nothing. Throws what `fetch` throws where it cannot be reached.
 */
export async function askRegistry(image: ImageName, signal: AbortSignal): Promise<RegistryAnswer> {
  const url = `${registryUrl(image)}/v2/${image.repository}/manifests/${image.reference}`;
  const head = (headers: Record<string, string> = {}) =>
    fetch(url, { method: "HEAD", headers: { accept: manifestTypes, ...headers }, signal });
  let answer = await head();
  if (answer.status === 401) {
    const token = await anonymousToken(answer.headers.get("www-authenticate") ?? "", signal);
    if (token === undefined) return "not-public";
    answer = await head({ authorization: `Bearer ${token}` });
  }
  if (answer.ok) return "there";
  if (answer.status === 404) return "not-there";
  if (answer.status === 401 || answer.status === 403) return "not-public";
  if (answer.status === 429) return { unclear: "it has had too many questions from here for now" };
  return { unclear: `it answers with status ${answer.status}` };
}

/** `undefined` where the registry gives none to anybody. */
async function anonymousToken(challenge: string, signal: AbortSignal): Promise<string | undefined> {
  if (!/^bearer /i.test(challenge)) return undefined;
  const parameters = new Map(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );
  const realm = parameters.get("realm");
  if (realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  for (const key of ["service", "scope"]) {
    const value = parameters.get(key);
    if (value !== undefined) url.searchParams.set(key, value);
  }
  const answer = await fetch(url, { signal });
  if (!answer.ok) return undefined;
  const { data } = Token.safeParse(await answer.json());
  return data?.token ?? data?.access_token;
}
