/** How many lines of a job are kept. */
const kept = 10_000;
const longestLine = 16_384;

export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly message: string;
}

/** What a job prints, line by line: the last of it. */
export class JobLog {
  readonly #lines: LogLine[] = [];
  #rest = "";
  readonly #decoder = new TextDecoder();

  add(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = (lines.pop() ?? "").slice(-longestLine);
    for (const message of lines)
      this.#lines.push({ timestamp: Date.now(), message: message.slice(0, longestLine) });
    if (this.#lines.length > kept) this.#lines.splice(0, this.#lines.length - kept);
  }

  lines(): LogLine[] {
    if (this.#rest === "") return [...this.#lines];
    return [...this.#lines, { timestamp: Date.now(), message: this.#rest }];
  }
}
