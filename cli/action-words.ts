import type { RecoveryAction } from "../core/failure.ts";

/** What follows a failure, for people; the documentation's table has these words too. */
export const actionWords = {
  "at-once": "another attempt at once",
  wait: "another attempt after a wait",
  elsewhere: "another attempt on the other market where the job allows it, else after a wait",
  shrink: "another attempt with a smaller micro-batch",
  "roll-back":
    "another attempt from an earlier checkpoint, with a lower learning rate or without a growth of the batch size",
  "give-up": "the run fails",
} as const satisfies Record<RecoveryAction, string>;
