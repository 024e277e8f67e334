import { DescribeImagesCommand, ECRClient } from "@aws-sdk/client-ecr";
import { Aws } from "../aws/aws.ts";
import { isNamed } from "../aws/errors.ts";
import type { Offers } from "../core/stack.ts";
import { type Finding, ok, problem, unseen, unseenFor, warning } from "./doctor-finding.ts";
import { type ImageName, parseImageName } from "./doctor-image-name.ts";
import { ask, type Looking } from "./doctor-looking.ts";
import { askRegistry } from "./doctor-registry.ts";

/** Whether the stack's instances will find its images: a line for each. */
export async function images(looking: Looking, offers: Offers): Promise<readonly Finding[]> {
  return await Promise.all(
    Object.entries(offers.images).map(async ([name, text]) => {
      const subject = `image ${name}`;
      const image = parseImageName(text);
      if (image === undefined)
        return problem(
          subject,
          `'${text}' is no image's name`,
          "Deploy with a name such as python:3.13-slim.",
        );
      const found =
        image.ecr === undefined
          ? await inRegistry(subject, text, image, looking.signal)
          : await inEcr(looking, { subject, text, image, ecr: image.ecr });
      return found.status === "ok" && !image.isTagged ? untagged(subject, text) : found;
    }),
  );
}

const untagged = (subject: string, text: string): Finding =>
  warning(
    subject,
    `${text} is there, but without a tag it is 'latest': another image may come with any instance`,
    "Deploy with a tag or a digest, so that a run trains with one image throughout.",
  );

const correct = (name: string) =>
  `Push it, or deploy with another address for '${name}' (context value images).`;

const nameIn = (subject: string): string => subject.replace(/^image /, "");

interface InEcr {
  readonly subject: string;
  readonly text: string;
  readonly image: ImageName;
  readonly ecr: { readonly account: string; readonly region: string };
}

async function inEcr({ signal }: Looking, { subject, text, image, ecr }: InEcr): Promise<Finding> {
  // An image can be in another region than the stack.
  const aws = new Aws({ region: ecr.region, patience: shortPatience });
  try {
    const client = await aws.client(async () => ECRClient)();
    await ask({ aws, signal }, "ecr:DescribeImages", (options) =>
      client.send(
        new DescribeImagesCommand({
          registryId: ecr.account,
          repositoryName: image.repository,
          imageIds: [image.isDigest ? { imageDigest: image.reference } : { imageTag: image.reference }],
        }),
        options,
      ),
    );
    return ok(subject, text);
  } catch (error) {
    if (isNamed(error, "RepositoryNotFoundException"))
      return problem(
        subject,
        `${text}: the account ${ecr.account} has no repository '${image.repository}' in ${ecr.region}`,
        correct(nameIn(subject)),
      );
    if (isNamed(error, "ImageNotFoundException"))
      return problem(
        subject,
        `${text}: the repository '${image.repository}' has no image '${image.reference}'`,
        correct(nameIn(subject)),
      );
    if (signal.aborted) throw error;
    return unseenFor(subject, error);
  }
}

/** A person waits for the answer. */
export const shortPatience = {
  totalMilliseconds: 3_000,
  firstWaitMilliseconds: 100,
  longestWaitMilliseconds: 1_000,
};

async function inRegistry(
  subject: string,
  text: string,
  image: ImageName,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const answer = await askRegistry(image, signal);
    if (answer === "there") return ok(subject, text);
    if (answer === "not-there")
      return problem(subject, `${text}: ${image.registry} has no such image`, correct(nameIn(subject)));
    if (answer === "not-public")
      return problem(
        subject,
        `${text}: ${image.registry} gives it to nobody who has not logged in, or has no such image`,
        "Use a public image, or one in ECR: instances can pull no others.",
      );
    return unseen(subject, `${text}: ${image.registry}: ${answer.unclear}`);
  } catch (error) {
    if (signal.aborted) throw error;
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    return unseen(
      subject,
      `${text}: ${image.registry} cannot be reached from here (${cause})`,
      "See that the name is right: instances will look for it there.",
    );
  }
}
