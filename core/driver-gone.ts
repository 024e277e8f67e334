/** The reason with which a Batch job is ended whose driver is gone, so that its failure is known for what it is. */
export const driverGoneReason = "its driver is gone";
