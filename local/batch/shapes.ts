import * as z from "zod";

/** Batch's shapes, as far as they are understood here; what else is given is kept and described again. */

const NameAndValue = z.object({ name: z.string(), value: z.string() });

const ResourceRequirement = z.object({
  type: z.enum(["VCPU", "MEMORY", "GPU"]),
  value: z.string(),
});

const Tags = z.record(z.string(), z.string());

export const ContainerProperties = z.looseObject({
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.array(NameAndValue).optional(),
  resourceRequirements: z.array(ResourceRequirement).optional(),
  vcpus: z.int().optional(),
  memory: z.int().optional(),
});
export type ContainerProperties = z.infer<typeof ContainerProperties>;

const Timeout = z.object({ attemptDurationSeconds: z.int().optional() });

export const RegisterJobDefinition = z.looseObject({
  jobDefinitionName: z.string(),
  type: z.string(),
  parameters: Tags.optional(),
  containerProperties: ContainerProperties.optional(),
  timeout: Timeout.optional(),
  tags: Tags.optional(),
});

/** As the older fields say it, or as the newer ones do. */
export const SubmitJob = z.looseObject({
  jobName: z.string(),
  jobQueue: z.string(),
  jobDefinition: z.string(),
  parameters: Tags.optional(),
  containerOverrides: ContainerProperties.optional(),
  timeout: Timeout.optional(),
  tags: Tags.optional(),
});
export type SubmitJob = z.infer<typeof SubmitJob>;

const State = z.enum(["ENABLED", "DISABLED"]);
const Order = z.array(z.looseObject({ order: z.int(), computeEnvironment: z.string() }));

export const CreateComputeEnvironment = z.looseObject({
  computeEnvironmentName: z.string(),
  type: z.string(),
  state: State.default("ENABLED"),
  computeResources: z
    .looseObject({
      type: z.string().optional(),
      maxvCpus: z.int().optional(),
      instanceTypes: z.array(z.string()).optional(),
    })
    .optional(),
  tags: Tags.optional(),
});

export const UpdateComputeEnvironment = z.looseObject({
  computeEnvironment: z.string(),
  state: State.optional(),
  computeResources: z.looseObject({}).optional(),
});

export const CreateJobQueue = z.looseObject({
  jobQueueName: z.string(),
  state: State.default("ENABLED"),
  priority: z.int(),
  computeEnvironmentOrder: Order,
  tags: Tags.optional(),
});

export const UpdateJobQueue = z.looseObject({
  jobQueue: z.string(),
  state: State.optional(),
  computeEnvironmentOrder: Order.optional(),
});

export const Page = { maxResults: z.int().min(1).optional(), nextToken: z.string().optional() };

const jobStatus = z.enum(["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]);

export const ListJobs = z.looseObject({
  jobQueue: z.string().optional(),
  jobStatus: jobStatus.optional(),
  filters: z.array(z.object({ name: z.string(), values: z.array(z.string()) })).optional(),
  ...Page,
});
export type ListJobs = z.infer<typeof ListJobs>;

export const EndJob = z.looseObject({ jobId: z.string(), reason: z.string() });
export const DescribeJobs = z.looseObject({ jobs: z.array(z.string()) });
