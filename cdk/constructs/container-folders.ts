/** Where the agent's bundle is, on the instance and, read-only, in the container. */
export const agentMount = "/opt/pawl";

/** Where attempts have their folders, on the instance and in the container. */
export const scratchFolder = "/pawl-scratch";

/** Between SIGTERM and SIGKILL: as long as the notice of a spot instance, after which nothing is left. */
export const stopSeconds = 120;
