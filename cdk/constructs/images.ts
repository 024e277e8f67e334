import { Token } from "aws-cdk-lib";
import { defaultImage, imageNamePattern, imageNameRule } from "../../core/stack.ts";

/** Python on Debian 12, from Docker's official images on AWS's public registry: no account, no limit of pulls. */
const plainPython = "public.ecr.aws/docker/library/python:3.13-slim-bookworm";

/** What an image's address may hold; a registry's whole grammar is its own affair. */
const addressPattern = /^[a-z0-9][\w.:/@-]*$/i;

const registry = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([a-z0-9][a-z0-9._/-]*)/;

/**
 * The images by their names, `default` among them.
 *
 * @throws RangeError for a name or an address that cannot be one; and where the images are to bring the agent themselves
 * and none is given for `default`, since the usual one does not.
 */
export function checkedImages(
  images: Readonly<Record<string, string>> = {},
  agentInImages = false,
): Record<string, string> {
  if (agentInImages && images[defaultImage] === undefined) {
    throw new RangeError(
      `agentInImages is true and images has no '${defaultImage}': give one that brings the agent, since ${plainPython} does not`,
    );
  }
  for (const [name, address] of Object.entries(images)) {
    if (!imageNamePattern.test(name))
      throw new RangeError(`images has the name '${name}': a name is ${imageNameRule}`);
    if (!Token.isUnresolved(address) && !addressPattern.test(address)) {
      throw new RangeError(
        `images has '${address}' for '${name}': it must be an image's address, such as ${plainPython}`,
      );
    }
  }
  return { [defaultImage]: plainPython, ...images };
}

/** @throws RangeError for an image that instances without a way to the internet could never pull. */
export function checkIsolatedImages(images: Readonly<Record<string, string>>): void {
  for (const [name, address] of Object.entries(images)) {
    if (Token.isUnresolved(address) || registry.test(address)) continue;
    throw new RangeError(
      `images has '${address}' for '${name}', which instances in private subnets of their own cannot pull: copy it to ECR (…dkr.ecr.<Region>.amazonaws.com/…), or name a network (vpcId) that leads out`,
    );
  }
}

export interface Repository {
  readonly account: string;
  readonly region: string;
  readonly name: string;
}

/** The repository of ECR that an image is in; `undefined` for any other registry's. */
export function repositoryOf(address: string): Repository | undefined {
  const [, account, region, name] = registry.exec(address) ?? [];
  return account === undefined || region === undefined || name === undefined
    ? undefined
    : { account, region, name };
}
