import type { Chance } from "../chance.ts";
import type { ModelJob } from "./model-job.ts";

/** What a fate does it to, and with. */
interface Striking {
  readonly job: ModelJob;
  readonly chance: Chance;
  readonly kill: (exitCode: number | undefined) => void;
  /** Ends what runs there, which Batch is told of later. */
  readonly loseHost: () => void;
  /** Batch calls the job ended, whatever runs. */
  readonly conclude: () => void;
  readonly in: (seconds: number, act: () => void) => void;
}

interface FateRule {
  /** How often it is drawn. */
  readonly weight: number;
  readonly strike: (striking: Striking) => void;
}

/** How Batch words the loss of a job's host. */
export const hostLost = ({ instance }: ModelJob): string => `Host EC2 (instance ${instance}) terminated.`;

const killedWith = (exitCode: number | undefined) => (striking: Striking) => striking.kill(exitCode);

/** What befalls a running attempt. */
export const fates = {
  "kill (137)": { weight: 3, strike: killedWith(137) },
  "kill (143)": { weight: 1, strike: killedWith(143) },
  "kill (no exit code)": { weight: 2, strike: killedWith(undefined) },
  "trainer exits with 1": {
    weight: 1,
    strike: ({ job }) => job.contained?.ofTrainer("trainer exits with 1"),
  },
  "trainer crashes": { weight: 1, strike: ({ job }) => job.contained?.ofTrainer("trainer crashes") },
  hang: { weight: 1, strike: ({ job }) => job.contained?.ofTrainer("hang") },
  "frozen machine": {
    weight: 1,
    strike: ({ job, chance, loseHost, in: later }) => {
      job.life.freeze();
      if (chance.happens("thaws", 0.5)) later(chance.between("thaw", 60, 3000), () => job.life.thaw());
      else later(chance.between("host is lost", 300, 3000), loseHost);
    },
  },
  "container out of memory": {
    weight: 1,
    strike: ({ job, kill }) => {
      job.containerReason = "OutOfMemoryError: Container killed due to memory usage";
      kill(137);
    },
  },
  "reclaim with notice": {
    weight: 2,
    strike: ({ job, loseHost, in: later }) => {
      job.contained?.notice(120);
      later(120, loseHost);
    },
  },
  "reclaim without notice": { weight: 2, strike: ({ loseHost }) => loseHost() },
  // Batch has lost the host; what runs there goes on, or sleeps and wakes up much later.
  "believed dead": {
    weight: 2,
    strike: ({ job, chance, conclude, in: later }) => {
      job.statusReason = hostLost(job);
      conclude();
      if (chance.happens("sleeps", 0.6)) {
        job.life.freeze();
        later(chance.between("wakes", 30, 4000), () => job.life.thaw());
      }
      later(chance.between("is gone at last", 4000, 9000), () => job.life.end());
    },
  },
} as const satisfies Record<string, FateRule>;

export type FateKind = keyof typeof fates;

/** What becomes of a Batch job, as it was drawn when it was submitted. */
export interface Fate {
  readonly kind: FateKind;
  /** Seconds after its start. */
  readonly after: number;
}

const isFate = (name: string): name is FateKind => Object.hasOwn(fates, name);

export const fateKinds = Object.keys(fates).filter(isFate);
