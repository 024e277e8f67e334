import type { FailureClass } from "../../failure.ts";
import type { LogRule } from "./rule.ts";

const wrong =
  "(?<!\\b(?:0|no|zero|without|any) )(?:errors?(?!s?[:=] ?0\\b)|fail(?:ed|s|ure|ures|ing)?|fatal|unable|cannot|can't|could ?n[o']t|could not|critical|abort(?:ed|ing)?|denied|invalid|refused|rejected|crash(?:ed|ing)?|exceeded|exhausted|insufficient|unavailable|missing|lost|expired|broken|corrupt(?:ed)?|unexpected(?:ly)?|not (?:found|available|present|valid|enough|exist|authorized|supported|responding)|does(?: not|n't) exist|too (?:old|large|many))";

/** Whether a line says at all that something is wrong; there is no guess of another. */
export const tellsOfTrouble = new RegExp(`\\b${wrong}\\b`, "i");

/** What an error is about, both ways round: `failed to read the dataset`, `dataset: read failed`. */
const about = (name: FailureClass, subject: string): LogRule => ({
  class: name,
  weight: "guess",
  confidence: "low",
  forms: [
    new RegExp(`\\b${wrong}\\b.{0,80}\\b(?:${subject})\\b`, "i"),
    new RegExp(`\\b(?:${subject})\\b.{0,80}\\b${wrong}\\b`, "i"),
  ],
});

/** Of an error that nothing else knows: the words of its subject. Most telling first. */
export const guesses: readonly LogRule[] = [
  about("gpu-oom", "(?:CUDA|GPU|device|HBM|VRAM) (?:memory|OOM)|OOM on device"),
  about("hardware-gpu", "GPUs?|NVML|nvidia-smi|/dev/nvidia\\d?|NVLink"),
  about("container-oom", "OOM|memory|RAM"),
  about("disk-full", "disk space|storage space|disk|inodes"),
  about("credentials-expired", "credentials?|access tokens?|session tokens?|security token|auth token|SSO"),
  about("checkpoint-corrupt", "checkpoints?|ckpt|safetensors|state[_ ]dict"),
  about("cannot-pull-image", "docker image|container image|image pull|registry|manifest"),
  about("capacity-never-available", "capacity|vCPUs?|spot request|instance limit|quota"),
  about("batch-api-error", "job ?queue|job ?definition|compute ?environment|AWS Batch|task ?definition"),
  about("sfn-error", "step functions?|state ?machine|lambda function"),
  about(
    "data-loader/s3",
    "S3|bucket|dataset|data ?loader|shards?|parquet|tfrecords?|download(?:ing)?|webdataset",
  ),
  about(
    "nccl/network-timeout",
    "NCCL|socket|network|connection|rendezvous|all_?reduce|all_?gather|broadcast|collective|time(?:d )?-?out|peer",
  ),
  about(
    "dependency-missing",
    "library|libraries|package|dependency|dependencies|CUDA version|driver version|plugin",
  ),
  about("image-or-command-error", "entrypoint|executable|container start|command line"),
  about("host-terminated-other", "docker daemon|container runtime|host|instance|node"),
];
