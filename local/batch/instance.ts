import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";

/** Where an instance's metadata is, for what runs on it. */
export const metadataAddress = "http://169.254.169.254";

export interface InstanceFacts {
  readonly type: string;
  readonly zone: string;
  readonly region: string;
  readonly market: "spot" | "on-demand";
}

/** An emulated instance: what a container asks its metadata (version 2) for. */
export class EmulatedInstance {
  readonly id = `i-0${randomBytes(8).toString("hex")}`;
  readonly #values: Map<string, string>;
  readonly #token = randomUUID();
  readonly #server = createServer((request, response) => {
    request.resume();
    const { method, url = "", headers } = request;
    const say = (status: number, body = "") => response.writeHead(status).end(body);
    if (url === "/latest/api/token") return say(method === "PUT" ? 200 : 405, this.#token);
    if (headers["x-aws-ec2-metadata-token"] !== this.#token) return say(401);
    const value = this.#values.get(url.replace("/latest/meta-data/", ""));
    return say(value === undefined ? 404 : 200, value);
  });

  constructor({ type, zone, region, market }: InstanceFacts) {
    this.#values = new Map([
      ["instance-id", this.id],
      ["instance-type", type],
      ["instance-life-cycle", market],
      ["placement/availability-zone", zone],
      ["placement/region", region],
    ]);
  }

  /** Gives its address on the loopback interface. */
  async start(): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new TypeError("an instance has no port");
    return `http://127.0.0.1:${address.port}`;
  }

  /** Says that it is to be taken away in so many seconds, as a spot instance does. */
  notice(seconds: number): void {
    const time = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    this.#values.set("spot/instance-action", JSON.stringify({ action: "terminate", time }));
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
