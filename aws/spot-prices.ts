import type { Aws, CallOptions } from "./aws.ts";

const load = () => import("./sdk/ec2.ts");

/** What EC2 asks for spot now. */
export class SpotPrices {
  readonly #aws: Aws;
  readonly #client;

  constructor(aws: Aws) {
    this.#aws = aws;
    this.#client = aws.client(async () => (await load()).EC2Client);
  }

  /** USD an hour for Linux on `type` in `zone`; `undefined` where EC2 says nothing of it. */
  async now(type: string, zone: string, options: CallOptions = {}): Promise<number | undefined> {
    const { signal } = options;
    const answer = await this.#aws.run(
      { action: "ec2:DescribeSpotPriceHistory" },
      async () => {
        const [{ DescribeSpotPriceHistoryCommand }, client] = await Promise.all([load(), this.#client()]);
        const command = new DescribeSpotPriceHistoryCommand({
          Filters: [
            { Name: "instance-type", Values: [type] },
            { Name: "availability-zone", Values: [zone] },
            { Name: "product-description", Values: ["Linux/UNIX"] },
          ],
          // The price in force at that time is told too, though it was set before.
          StartTime: new Date(),
          MaxResults: 10,
        });
        return await client.send(command, signal === undefined ? {} : { abortSignal: signal });
      },
      options,
    );
    const prices = (answer.SpotPriceHistory ?? [])
      .filter(({ SpotPrice, Timestamp }) => SpotPrice !== undefined && Timestamp !== undefined)
      .toSorted((a, b) => Number(b.Timestamp) - Number(a.Timestamp));
    const usd = Number(prices[0]?.SpotPrice);
    return Number.isFinite(usd) && usd > 0 ? usd : undefined;
  }
}
