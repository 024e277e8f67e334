import type { JobDefinition } from "./definitions.ts";
import type { NameAndValue } from "./job.ts";
import { refused } from "./service-error.ts";
import type { ContainerProperties, SubmitJob } from "./shapes.ts";

/** The definition's container as the submission changes it. */
export function merged(
  { containerProperties: own }: JobDefinition,
  { containerOverrides: over = {} }: SubmitJob,
) {
  const named = <T>(list: readonly T[] = [], changed: readonly T[] = [], name: (item: T) => string): T[] => [
    ...list.filter((item) => !changed.some((each) => name(each) === name(item))),
    ...changed,
  ];
  return {
    ...own,
    ...over,
    environment: named(own.environment, over.environment, ({ name }) => name),
    resourceRequirements: named(own.resourceRequirements, over.resourceRequirements, ({ type }) => type),
  };
}

export function vcpusOf({ resourceRequirements = [], vcpus }: ContainerProperties): number {
  const given = resourceRequirements.find(({ type }) => type === "VCPU")?.value ?? vcpus ?? 1;
  const count = Number(given);
  if (!(count > 0)) throw refused(`'${given}' is no count of VCPU`);
  return count;
}

/** A container's environment, with what Batch adds. */
export const variables = (environment: readonly NameAndValue[], queue: string): Record<string, string> => ({
  ...Object.fromEntries(environment.map(({ name, value }) => [name, value])),
  AWS_BATCH_JOB_ATTEMPT: "1",
  AWS_BATCH_JQ_NAME: queue,
});
