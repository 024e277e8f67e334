import * as z from "zod";
import { Name, Ordinal } from "../core/names.ts";

/** What the agent is started with: the assignment's address, not the assignment, which Review's answer brings. */
const AgentEnvironment = z
  .object({
    PAWL_RUN: Name,
    PAWL_ATTEMPT: z.coerce.number().pipe(Ordinal),
    /** The newest journal entry known when the job was submitted. */
    PAWL_SEQUENCE: z.coerce.number().pipe(z.int().min(0)),
    PAWL_STORE: z.string().min(1),
    /** A folder that is this attempt's alone. */
    PAWL_ATTEMPT_FOLDER: z.string().startsWith("/"),
    /** Set by AWS Batch. */
    AWS_BATCH_JOB_ID: z.string().min(1).max(200),
    /** Where the instance's metadata is (`http://169.254.169.254`); absent where nobody can reclaim the machine. */
    PAWL_METADATA: z.url({ protocol: /^http$/ }).optional(),
  })
  .transform((env) => ({
    run: env.PAWL_RUN,
    attempt: env.PAWL_ATTEMPT,
    sequence: env.PAWL_SEQUENCE,
    store: env.PAWL_STORE,
    folder: env.PAWL_ATTEMPT_FOLDER,
    batchJobId: env.AWS_BATCH_JOB_ID,
    metadata: env.PAWL_METADATA,
  }));

export type AgentEnvironment = z.output<typeof AgentEnvironment>;

/** Throws a ZodError naming the variable, where one is missing or wrong. */
export const readAgentEnvironment = (env: NodeJS.ProcessEnv): AgentEnvironment => AgentEnvironment.parse(env);

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
