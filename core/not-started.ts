/** How the reason begins with which a Batch job is ended that never started, so that its failure is known for what it is. */
export const notStartedPrefix = "Not started within ";

/** The reason with which a Batch job is ended that has not started after `minutes`. */
export const notStartedReason = (minutes: number): string =>
  `${notStartedPrefix}${minutes} min: no capacity came, or nothing that may be used can ever hold it`;
