import type { FailureClass } from "../failure.ts";

/** What can befall a trainer that it can tell of itself. */
const ownClasses = new Set<FailureClass>([
  "user-exception",
  "disk-full",
  "image-or-command-error",
  "dependency-missing",
  "segfault/native-crash",
  "container-oom",
  "gpu-oom",
  "numeric",
  "hardware-gpu",
  "nccl/network-timeout",
  "data-loader/s3",
  "credentials-expired",
]);

/**
 * Of what a trainer's log says, the class that its attempt ends with. A log excuses nothing: what only the platform can know
 * is not taken from it. Nor does it condemn a checkpoint of ours, whose every byte is compared before it is restored.
 */
export function trainerClass(name: FailureClass): FailureClass {
  if (name === "checkpoint-corrupt") return "user-exception";
  return ownClasses.has(name) ? name : "unknown";
}
