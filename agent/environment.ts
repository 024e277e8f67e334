import { join } from "node:path";
import * as z from "zod";
import { Name, Ordinal } from "../core/names.ts";
import { containerVariables } from "../core/stack.ts";

/** What the agent is started with: the assignment's address, not the assignment, which Review's answer brings. */
const AgentEnvironment = z
  .object({
    PAWL_RUN: Name,
    PAWL_ATTEMPT: z.coerce.number().pipe(Ordinal),
    /** The newest journal entry known when the job was submitted. */
    PAWL_SEQUENCE: z.coerce.number().pipe(z.int().min(0)),
    PAWL_STORE: z.string().min(1),
    /** A folder that is this attempt's alone. */
    PAWL_ATTEMPT_FOLDER: z.string().startsWith("/").optional(),
    /** A folder that attempts make theirs in. */
    [containerVariables.scratch]: z.string().startsWith("/").optional(),
    /** Set by AWS Batch. */
    AWS_BATCH_JOB_ID: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:_.-]{0,199}$/),
    /** The Review function; absent where the driver is at the other end of a pipe. */
    [containerVariables.review]: z.string().min(1).max(300).optional(),
    /** Where the instance's metadata is (`http://169.254.169.254`); absent where nobody can reclaim the machine. */
    PAWL_METADATA: z.url({ protocol: /^http$/ }).optional(),
  })
  .transform((env, context) => {
    const scratch = env[containerVariables.scratch];
    const folder = env.PAWL_ATTEMPT_FOLDER ?? (scratch && join(scratch, env.AWS_BATCH_JOB_ID));
    if (folder === undefined) {
      context.addIssue({ code: "custom", path: ["PAWL_SCRATCH"], message: "is missing" });
      return z.NEVER;
    }
    return {
      run: env.PAWL_RUN,
      attempt: env.PAWL_ATTEMPT,
      sequence: env.PAWL_SEQUENCE,
      store: env.PAWL_STORE,
      folder,
      /** Where `folder` is nobody else's to remove: attempts of the same instance have theirs beside it. */
      scratch: env.PAWL_ATTEMPT_FOLDER === undefined ? scratch : undefined,
      batchJobId: env.AWS_BATCH_JOB_ID,
      metadata: env.PAWL_METADATA,
      review: env[containerVariables.review],
    };
  });

export type AgentEnvironment = z.output<typeof AgentEnvironment>;

/** Throws a ZodError naming the variable, where one is missing or wrong. */
export const readAgentEnvironment = (env: NodeJS.ProcessEnv): AgentEnvironment => AgentEnvironment.parse(env);

const StopSeconds = z.coerce.number().pipe(z.number().min(2).max(86_400));

/** What a container has where nobody says anything else, as Batch has it. */
const defaultStopSeconds = 30;

/** How long there is between SIGTERM and SIGKILL, in seconds. */
export const readStopSeconds = (env: NodeJS.ProcessEnv): number =>
  StopSeconds.safeParse(env[containerVariables.stopSeconds]).data ?? defaultStopSeconds;

/** What Node itself keeps in the environment of a forked process. */
const channelVariables = ["NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"];

/**
 * The environment that a trainer inherits: the agent's own, without what is between the agent and its driver. Nothing of
 * ours is passed on but what this attempt sets: an agent may have been started by a trainer of another run.
 */
export const inheritedEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith("PAWL_") && !channelVariables.includes(name)),
  );
