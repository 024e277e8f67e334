/** An image's name, taken apart as Docker does. */
export interface ImageName {
  readonly registry: string;
  readonly repository: string;
  /** `sha256:…`, or a tag; `latest` where neither is written. */
  readonly reference: string;
  readonly isDigest: boolean;
  readonly isTagged: boolean;
  /** Where it is in a private registry of ECR. */
  readonly ecr?: { readonly account: string; readonly region: string };
}

const dockerHub = "docker.io";

/** `undefined` for what is no image's name. */
export function parseImageName(text: string): ImageName | undefined {
  const [, name, tag, digest] =
    /^((?:[\w.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(
      text,
    ) ?? [];
  if (name === undefined) return undefined;
  const [first = "", ...rest] = name.split("/");
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const registry = hasRegistry ? first : dockerHub;
  const path = hasRegistry ? rest.join("/") : name;
  const ecr = /^(\d{12})\.dkr[.-]ecr\.([a-z0-9-]+)\./.exec(registry);
  return {
    registry,
    repository: registry === dockerHub && !path.includes("/") ? `library/${path}` : path,
    reference: digest ?? tag ?? "latest",
    isDigest: digest !== undefined,
    isTagged: tag !== undefined || digest !== undefined,
    ...(ecr === null ? {} : { ecr: { account: ecr[1] ?? "", region: ecr[2] ?? "" } }),
  };
}

/** Where the registry's HTTP API is: Docker Hub's is elsewhere, and one on this machine has no TLS. */
export function registryUrl({ registry }: ImageName): string {
  if (registry === dockerHub || registry === "index.docker.io") return "https://registry-1.docker.io";
  return /^(localhost|127\.0\.0\.1)(:\d+)?$/.test(registry) ? `http://${registry}` : `https://${registry}`;
}
