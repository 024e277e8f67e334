import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { TrainerAnswer, TrainerRequest } from "../core/trainer-protocol.ts";
import { TrainerError } from "./error.ts";

const maxLineBytes = 1_048_576;
const newline = 0x0a;

const sameHelper = "Use the helper that came with this Pawl.";

const gone = (): TrainerError =>
  new TrainerError("AGENT_GONE", "Pawl's agent has closed the conversation: this attempt is over.", {
    next: "End the trainer; what is committed stays, and the next attempt goes on from there.",
  });

/** The agent has checked what it sends, and its version is compared in the welcome: the type is enough here. */
const isAnswer = (value: unknown): value is TrainerAnswer =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";

const isOneOf = <Type extends TrainerAnswer["type"]>(
  answer: TrainerAnswer,
  types: readonly Type[],
): answer is Extract<TrainerAnswer, { type: Type }> => types.some((type) => type === answer.type);

function parse(line: Buffer): TrainerAnswer {
  try {
    const value: unknown = JSON.parse(line.toString("utf8"));
    if (isAnswer(value)) return value;
  } catch {}
  const start = JSON.stringify(line.toString("utf8", 0, 100));
  throw new TrainerError("PROTOCOL", `Pawl's agent sent a line that is no answer: ${start}.`, {
    next: sameHelper,
  });
}

/** One conversation: newline-delimited JSON, one request at a time. Any error ends it. */
export class Connection {
  readonly #socket: Socket;
  readonly #lines: Buffer[] = [];
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #failure: TrainerError | undefined;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#receive(chunk));
    // An "error" is always followed by "close", which says all that matters here.
    socket.on("error", () => {});
    socket.on("end", () => this.#fail(gone()));
    socket.on("close", () => this.#fail(gone()));
    socket.unref();
  }

  /** Raises TrainerError with NO_AGENT. */
  static open(path: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const refused = (cause: Error): void => {
        const message = `Pawl's agent does not answer at PAWL_SOCKET=${path}: ${cause.message}.`;
        reject(
          new TrainerError("NO_AGENT", message, { cause, next: "Start it with 'pawl train <job file>'." }),
        );
      };
      socket.once("error", refused);
      socket.once("connect", () => {
        socket.off("error", refused);
        resolve(new Connection(socket));
      });
    });
  }

  /**
   * Sends `request` and gives its answer, of one of the `expected` types. Raises TrainerError: the agent's own code where
   * it answers with an error, else AGENT_GONE or PROTOCOL.
   */
  ask<Type extends TrainerAnswer["type"]>(
    request: TrainerRequest,
    ...expected: Type[]
  ): Promise<Extract<TrainerAnswer, { type: Type }>> {
    const answered = this.#turn.then(async () => {
      const answer = await this.#exchange(request);
      if (isOneOf(answer, expected)) return answer;
      const message = `Pawl's agent answered '${request.type}' with '${answer.type}'.`;
      throw this.#fail(new TrainerError("PROTOCOL", message, { next: sameHelper }));
    });
    this.#turn = answered.catch(() => {});
    return answered;
  }

  close(): void {
    this.#fail(gone());
  }

  async #exchange(request: TrainerRequest): Promise<TrainerAnswer> {
    // Lets what the agent said while this process was computing come in first: its reason, before the closed socket.
    // Twice, since the first may belong to the turn of the event loop whose input is read already.
    await setImmediate();
    await setImmediate();
    const unasked = this.#lines.length > 0;
    if (!unasked && this.#failure === undefined) this.#socket.write(`${JSON.stringify(request)}\n`);
    try {
      const answer = parse(await this.#line());
      if (answer.type === "error") throw new TrainerError(answer.code, answer.message);
      if (unasked)
        throw new TrainerError("PROTOCOL", "Pawl's agent spoke out of turn.", { next: sameHelper });
      return answer;
    } catch (error) {
      throw error instanceof TrainerError ? this.#fail(error) : error;
    }
  }

  async #line(): Promise<Buffer> {
    // Only a request that waits may keep the process alive.
    this.#socket.ref();
    try {
      for (;;) {
        const line = this.#lines.shift();
        if (line !== undefined) return line;
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#socket.unref();
    }
  }

  #receive(chunk: Buffer): void {
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      if (!this.#keep(chunk.subarray(begin, end))) return;
      this.#lines.push(Buffer.concat(this.#partial));
      this.#partial = [];
      this.#partialBytes = 0;
      begin = end + 1;
    }
    this.#keep(chunk.subarray(begin));
    this.#wake?.();
  }

  #keep(piece: Buffer): boolean {
    this.#partial.push(piece);
    this.#partialBytes += piece.length;
    if (this.#partialBytes <= maxLineBytes) return true;
    const message = `Pawl's agent sent a line of more than ${maxLineBytes} bytes.`;
    this.#fail(new TrainerError("PROTOCOL", message, { next: sameHelper }));
    return false;
  }

  #fail(error: TrainerError): TrainerError {
    this.#failure ??= error;
    this.#socket.destroy();
    this.#wake?.();
    return error;
  }
}
