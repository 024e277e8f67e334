import type { Diagnosis } from "../core/diagnosis/types.ts";
import { actionFor, failureRule, type RecoveryAction } from "../core/failure.ts";
import { actionWords } from "./action-words.ts";

/** What each class is, as the end of a sentence that begins with what follows. */
const meanings: Readonly<Record<Diagnosis["class"], string>> = {
  none: "nothing in it is a failure",
  unknown: "nothing in it says for certain what happened",
  "user-exception": "the trainer's own code failed, and fails again unless that came by chance",
  "no-checkpoint": "the trainer left no checkpoint",
  "trainer-protocol": "the trainer does not keep to the protocol",
  "checkpoint-corrupt": "a checkpoint cannot be read, and an earlier one may be sound",
  "starting-checkpoint": "what the run begins from is not there, or not what it was",
  "disk-full": "there was no space left on a disk",
  "image-or-command-error": "the command or the image cannot be run",
  "store-failed": "the store failed",
  "segfault/native-crash": "native code crashed",
  interrupted: "the attempt was asked to leave",
  "spot-reclaim": "the market took the host back, which is nobody's fault",
  "host-terminated-other": "the host failed or went away, which is nobody's fault",
  "cancelled/terminated-by-user": "somebody ended the job, and meant it",
  "job-timeout": "it had no more time",
  "container-oom": "the machine's memory ran out",
  "gpu-oom": "the GPU's memory ran out",
  numeric: "the numbers ran out of bounds",
  stalled: "it went on no more",
  "hardware-gpu": "the GPU is broken",
  "nccl/network-timeout": "processes lost each other, or the network did not answer",
  "dependency-missing": "something that the program needs is not installed",
  "data-loader/s3": "data could not be read",
  "credentials-expired": "the credentials are valid no more, and a new attempt gets new ones",
  "cannot-pull-image": "the image could not be fetched",
  "capacity-never-available": "there was no machine to run it on",
  "batch-api-error": "AWS Batch refused what it was asked",
  "batch-api-throttled": "AWS Batch was asked too often",
  "sfn-error": "the state machine failed around the job",
};

function sentence(action: Verdict["action"]): string {
  if (action === "none") return "Pawl would do nothing";
  return action === "give-up" ? "Pawl would give up" : `Pawl would start ${actionWords[action]}`;
}

interface Verdict {
  readonly action: RecoveryAction | "none";
  readonly reason: string;
}

/** What Pawl would do about a failure of this class, and why. */
export function verdict({ class: name, retryable }: Pick<Diagnosis, "class" | "retryable">): Verdict {
  const action = name === "none" ? "none" : actionFor(name, retryable);
  const advice = name !== "none" && action === "give-up" ? ` ${failureRule(name).next}` : "";
  return { action, reason: `${sentence(action)}: ${meanings[name]}.${advice}` };
}
