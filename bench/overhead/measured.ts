import { median, quantile } from "../statistics.ts";

/** Milliseconds, one for each time that something was done. */
export type Samples = readonly number[];

export interface Measured {
  readonly samples: Samples;
  /** Where the time goes, in the order in which it passes. */
  readonly parts: readonly { readonly name: string; readonly samples: Samples }[];
}

export interface Figure {
  readonly median: number;
  readonly p99: number;
}

const rounded = (value: number): number => Number(value.toPrecision(4));

export const figure = (samples: Samples): Figure => ({
  median: rounded(median(samples)),
  p99: rounded(quantile(samples, 0.99)),
});

/** What passed between each moment and the next. */
export const between = (moments: Samples): number[] =>
  moments.slice(1).map((moment, index) => moment - (moments[index] ?? moment));
