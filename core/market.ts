/** How an instance is paid for. */
export const markets = ["spot", "on-demand"] as const;
export type Market = (typeof markets)[number];
