/** How long a token is asked for, in seconds: as long as there are. */
const tokenSeconds = 21_600;

/** The service is on the host itself: what takes longer than this does not come. */
const timeoutMilliseconds = 2000;

/** No answer that is wanted is longer, in bytes. */
const mostBytes = 65_536;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What an EC2 instance is told about itself (IMDSv2: with a token, never through a proxy). */
export class InstanceMetadata {
  readonly #base: string;
  #token: string | undefined;

  /** `base` is where the service is: `http://169.254.169.254`. */
  constructor(base: string) {
    this.#base = base.replace(/\/+$/, "");
  }

  /** What is at `path` under `/latest/meta-data/`; `undefined` where there is nothing. Throws where the service fails. */
  async get(path: string): Promise<string | undefined> {
    let answer = await this.#get(path);
    if (answer.status === 401) {
      this.#token = undefined;
      answer = await this.#get(path);
    }
    if (answer.status === 404) return undefined;
    if (answer.status !== 200)
      throw new Error(`the instance's metadata answers ${answer.status} for ${path}`);
    return answer.body;
  }

  async #get(path: string): Promise<Answer> {
    this.#token ??= await this.#newToken();
    return await this.#ask("GET", `/latest/meta-data/${path}`, { "X-aws-ec2-metadata-token": this.#token });
  }

  async #newToken(): Promise<string> {
    const headers = { "X-aws-ec2-metadata-token-ttl-seconds": String(tokenSeconds) };
    const { status, body } = await this.#ask("PUT", "/latest/api/token", headers);
    if (status !== 200) throw new Error(`the instance's metadata answers ${status} for a token`);
    return body;
  }

  async #ask(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
    // Loaded only where there is somebody to ask: it brings much of Node with it, 25 ms at every start of an agent.
    const { Agent, request } = await import("node:http");
    return await new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMilliseconds);
      const agent = new Agent({ keepAlive: false });
      const asked = request(`${this.#base}${path}`, { method, headers, signal, agent });
      asked.on("error", reject);
      asked.on("response", (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          body += text;
          if (body.length > mostBytes) asked.destroy(new Error("the instance's metadata says too much"));
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        response.on("error", reject);
      });
      asked.end();
    });
  }
}
