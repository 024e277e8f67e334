import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** An instance's metadata service, version 2, as EC2 has it. */
export class MetadataServer {
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #values = new Map([["instance-id", "i-0123456789abcdef0"]]);
  readonly #tokens = new Set<string>();
  /** What was asked, in order. */
  readonly asked: string[] = [];
  /** Answers with this status in place of an answer, or with none at all. */
  failing: number | "silent" | undefined;
  /** Where it is: what PAWL_METADATA is set to. */
  base = "";

  static async start(): Promise<MetadataServer> {
    const metadata = new MetadataServer();
    metadata.#server.listen(0, "127.0.0.1");
    await once(metadata.#server, "listening");
    const address = metadata.#server.address();
    if (address === null || typeof address === "string") throw new Error("it listens nowhere");
    metadata.base = `http://127.0.0.1:${address.port}`;
    return metadata;
  }

  /** The instance is to be reclaimed in so many seconds. */
  notice(seconds: number, action = "terminate"): void {
    const time = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    this.set("spot/instance-action", JSON.stringify({ action, time }));
  }

  recommendRebalance(): void {
    this.set("events/recommendations/rebalance", JSON.stringify({ noticeTime: new Date().toISOString() }));
  }

  /** What is at a path under `/latest/meta-data/`; nothing where there is no value. */
  set(path: string, value: string | undefined): void {
    if (value === undefined) this.#values.delete(path);
    else this.#values.set(path, value);
  }

  /** The tokens that it gave are worth nothing any more. */
  forgetTokens(): void {
    this.#tokens.clear();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer({ method, url = "", headers }: IncomingMessage, response: ServerResponse): void {
    this.asked.push(`${method} ${url}`);
    const say = (status: number, body = "") => response.writeHead(status).end(body);
    if (this.failing === "silent") return;
    if (this.failing !== undefined) {
      say(this.failing);
      return;
    }
    if (url === "/latest/api/token") {
      const seconds = Number(headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      if (method !== "PUT") say(405);
      else if (!(seconds >= 1 && seconds <= 21_600)) say(400);
      else {
        const token = randomUUID();
        this.#tokens.add(token);
        say(200, token);
      }
      return;
    }
    if (!this.#tokens.has(String(headers["x-aws-ec2-metadata-token"]))) {
      say(401);
      return;
    }
    const value = method === "GET" ? this.#values.get(url.replace("/latest/meta-data/", "")) : undefined;
    say(value === undefined ? 404 : 200, value);
  }
}
