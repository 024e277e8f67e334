/** What an instance of a type has, and what it costs on demand. */
export interface InstanceType {
  readonly vcpus: number;
  readonly memoryMebibytes: number;
  readonly gpus: number;
  /** `A10G`; absent without a GPU. */
  readonly gpu?: string;
  /** Of each GPU, as EC2 tells it: of an A10G it keeps some of the 24 GiB. */
  readonly gpuMemoryMebibytes?: number;
  /** On demand, Linux, in us-east-1, in USD. */
  readonly usdPerHour: number;
}

/** The month whose list prices these are: they stand after the cuts of June 2025 for p4d, p4de and p5. */
export const pricesAsOf = "2025-08";

/**
 * What spot is reckoned at where nothing better is known: a share of the on-demand price. Spot of GPU types mostly
 * costs 30% to 60% of it, and never more than all of it. The share is from the dear end, so that a plan and a budget
 * err on the side that costs nobody money: a run stops early rather than late.
 */
export const spotShare = 0.7;

/** Size, virtual CPUs, GiB of memory, GPUs, USD an hour. */
type Size = readonly [string, number, number, number, number];

interface Gpu {
  readonly name: string;
  readonly mebibytes: number;
}

const gpuFamily = (family: string, { name, mebibytes }: Gpu, sizes: readonly Size[]) =>
  sizes.map(([size, vcpus, memory, gpus, usdPerHour]): [string, InstanceType] => [
    `${family}.${size}`,
    {
      vcpus,
      memoryMebibytes: memory * 1024,
      gpus,
      gpu: name,
      gpuMemoryMebibytes: mebibytes,
      usdPerHour,
    },
  ]);

const untilEight = { large: 2, xlarge: 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32 };
const thirdGeneration = { ...untilEight, "12xlarge": 48, "16xlarge": 64, "24xlarge": 96, "32xlarge": 128 };
const fourthGeneration = { ...untilEight, "12xlarge": 48, "16xlarge": 64, "24xlarge": 96, "48xlarge": 192 };

interface Linear {
  /** Sizes by their virtual CPUs. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly gibibytesPerVcpu: number;
  /** An hour of `large`, which has two virtual CPUs, in USD. */
  readonly usdOfLarge: number;
}

/** Families without GPUs, whose sizes have and cost the same for each virtual CPU. */
const cpuFamily = (family: string, { sizes, gibibytesPerVcpu, usdOfLarge }: Linear) =>
  Object.entries(sizes).map(([size, vcpus]): [string, InstanceType] => [
    `${family}.${size}`,
    {
      vcpus,
      memoryMebibytes: vcpus * gibibytesPerVcpu * 1024,
      gpus: 0,
      // To a millionth, so that no binary remainder shows.
      usdPerHour: Math.round((usdOfLarge / 2) * vcpus * 1e6) / 1e6,
    },
  ]);

const burstable = (sizes: readonly (readonly [string, number, number, number])[]) =>
  sizes.map(([size, vcpus, memory, usdPerHour]): [string, InstanceType] => [
    `t3.${size}`,
    { vcpus, memoryMebibytes: memory * 1024, gpus: 0, usdPerHour },
  ]);

/**
 * The types that people train on, x86-64 only: what the agent is built for. A type that is not here is unknown: it is
 * neither refused nor priced.
 */
export const instanceTypes: Readonly<Record<string, InstanceType>> = Object.fromEntries([
  ...gpuFamily("g4dn", { name: "T4", mebibytes: 16_384 }, [
    ["xlarge", 4, 16, 1, 0.526],
    ["2xlarge", 8, 32, 1, 0.752],
    ["4xlarge", 16, 64, 1, 1.204],
    ["8xlarge", 32, 128, 1, 2.176],
    ["12xlarge", 48, 192, 4, 3.912],
    ["16xlarge", 64, 256, 1, 4.352],
    ["metal", 96, 384, 8, 7.824],
  ]),
  ...gpuFamily("g5", { name: "A10G", mebibytes: 22_888 }, [
    ["xlarge", 4, 16, 1, 1.006],
    ["2xlarge", 8, 32, 1, 1.212],
    ["4xlarge", 16, 64, 1, 1.624],
    ["8xlarge", 32, 128, 1, 2.448],
    ["12xlarge", 48, 192, 4, 5.672],
    ["16xlarge", 64, 256, 1, 4.096],
    ["24xlarge", 96, 384, 4, 8.144],
    ["48xlarge", 192, 768, 8, 16.288],
  ]),
  ...gpuFamily("g6", { name: "L4", mebibytes: 22_888 }, [
    ["xlarge", 4, 16, 1, 0.8048],
    ["2xlarge", 8, 32, 1, 0.9776],
    ["4xlarge", 16, 64, 1, 1.3232],
    ["8xlarge", 32, 128, 1, 2.0144],
    ["12xlarge", 48, 192, 4, 4.6016],
    ["16xlarge", 64, 256, 1, 3.3968],
    ["24xlarge", 96, 384, 4, 6.6752],
    ["48xlarge", 192, 768, 8, 13.3504],
  ]),
  ...gpuFamily("g6e", { name: "L40S", mebibytes: 45_776 }, [
    ["xlarge", 4, 32, 1, 1.861],
    ["2xlarge", 8, 64, 1, 2.24208],
    ["4xlarge", 16, 128, 1, 3.00424],
    ["8xlarge", 32, 256, 1, 4.52856],
    ["12xlarge", 48, 384, 4, 10.49264],
    ["16xlarge", 64, 512, 1, 7.57719],
    ["24xlarge", 96, 768, 4, 15.06559],
    ["48xlarge", 192, 1536, 8, 30.13118],
  ]),
  ...gpuFamily("p3", { name: "V100", mebibytes: 16_384 }, [
    ["2xlarge", 8, 61, 1, 3.06],
    ["8xlarge", 32, 244, 4, 12.24],
    ["16xlarge", 64, 488, 8, 24.48],
  ]),
  ...gpuFamily("p3dn", { name: "V100", mebibytes: 32_768 }, [["24xlarge", 96, 768, 8, 31.212]]),
  ...gpuFamily("p4d", { name: "A100", mebibytes: 40_960 }, [["24xlarge", 96, 1152, 8, 21.957642]]),
  ...gpuFamily("p4de", { name: "A100", mebibytes: 81_920 }, [["24xlarge", 96, 1152, 8, 27.44705]]),
  ...gpuFamily("p5", { name: "H100", mebibytes: 81_920 }, [
    ["4xlarge", 16, 256, 1, 6.88],
    ["48xlarge", 192, 2048, 8, 55.04],
  ]),
  ...gpuFamily("p5en", { name: "H200", mebibytes: 144_384 }, [["48xlarge", 192, 2048, 8, 63.296]]),
  ...cpuFamily("c6i", { sizes: thirdGeneration, gibibytesPerVcpu: 2, usdOfLarge: 0.085 }),
  ...cpuFamily("c7i", { sizes: fourthGeneration, gibibytesPerVcpu: 2, usdOfLarge: 0.08925 }),
  ...cpuFamily("m6i", { sizes: thirdGeneration, gibibytesPerVcpu: 4, usdOfLarge: 0.096 }),
  ...cpuFamily("m7i", { sizes: fourthGeneration, gibibytesPerVcpu: 4, usdOfLarge: 0.1008 }),
  ...cpuFamily("r6i", { sizes: thirdGeneration, gibibytesPerVcpu: 8, usdOfLarge: 0.126 }),
  ...burstable([
    ["nano", 2, 0.5, 0.0052],
    ["micro", 2, 1, 0.0104],
    ["small", 2, 2, 0.0208],
    ["medium", 2, 4, 0.0416],
    ["large", 2, 8, 0.0832],
    ["xlarge", 4, 16, 0.1664],
    ["2xlarge", 8, 32, 0.3328],
  ]),
]);

/** The types that `word` means, a type (`g5.xlarge`) or a family (`g5`); none where nobody here knows it. */
export function typesOf(word: string): readonly string[] {
  if (Object.hasOwn(instanceTypes, word)) return [word];
  return Object.keys(instanceTypes).filter((type) => type.startsWith(`${word}.`));
}
