import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { problems } from "../core/problems.ts";
import { maxLineBytes, type TrainerAnswer, TrainerRequest } from "../core/trainer-protocol.ts";
import { AttemptError } from "./attempt-error.ts";

/** Whoever answers what a trainer asks. */
export interface Answering {
  /** Throws what ends the attempt. */
  answer(request: TrainerRequest): Promise<TrainerAnswer>;
  /** Whether a trainer has said hello: until then, one that comes and goes was not it. */
  readonly greeted: boolean;
  /** Called with what ends the attempt. */
  failed(error: unknown): void;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The socket on which one trainer is answered, line by line and request by request. */
export class TrainerSocket {
  readonly #path: string;
  readonly #answering: Answering;
  readonly #server: Server;
  #connection: Socket | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, answering: Answering, server: Server) {
    this.#path = path;
    this.#answering = answering;
    this.#server = server;
    server.on("connection", (socket) => this.#accept(socket));
    server.on("error", (error) => answering.failed(error));
  }

  /** Listens at `path`. */
  static async listen(path: string, answering: Answering): Promise<TrainerSocket> {
    await rm(path, { force: true });
    const server = createServer();
    const socket = new TrainerSocket(path, answering, server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    return socket;
  }

  async close(): Promise<void> {
    // Also those that were refused: whoever holds one of them must not hold up the attempt's end.
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.#path, { force: true });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      // One that came and went without a word was not the trainer.
      if (this.#connection === socket && !this.#answering.greeted) this.#connection = undefined;
    });
    if (this.#connection !== undefined) {
      refuse(socket, "BUSY", "another process of this trainer talks to the agent already");
      return;
    }
    this.#connection = socket;
    let buffered = "";
    let turn: Promise<void> = Promise.resolve();
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      const lines = (buffered + text).split("\n");
      buffered = lines.pop() ?? "";
      if ([...lines, buffered].some((line) => Buffer.byteLength(line) > maxLineBytes)) {
        socket.removeAllListeners("data").pause();
        buffered = "";
        this.#fail(socket, "LINE_TOO_LONG", `a line is longer than ${maxLineBytes} bytes`);
        return;
      }
      if (lines.length === 0) return;
      // One request at a time: what is sent ahead stays in the socket until those before it are answered.
      socket.pause();
      for (const line of lines) turn = turn.then(() => this.#serve(socket, line));
      turn = turn.then(() => void socket.resume());
    });
  }

  async #serve(socket: Socket, line: string): Promise<void> {
    if (socket.destroyed) return;
    let request: TrainerRequest;
    try {
      request = parse(line);
    } catch (error) {
      this.#fail(socket, "BAD_REQUEST", messageOf(error));
      return;
    }
    try {
      const answer = await this.#answering.answer(request);
      if (answer.type === "error") this.#fail(socket, answer.code, answer.message);
      else socket.write(`${JSON.stringify(answer)}\n`);
    } catch (error) {
      this.#answering.failed(error);
      refuse(socket, "ATTEMPT_ENDS", messageOf(error));
    }
  }

  /** A conversation that cannot go on ends the attempt: the trainer would train something else than it was told. */
  #fail(socket: Socket, code: string, message: string): void {
    this.#answering.failed(new AttemptError("trainer-protocol", message));
    refuse(socket, code, message);
  }
}

function parse(line: string): TrainerRequest {
  const input: unknown = JSON.parse(line);
  const parsed = TrainerRequest.safeParse(input);
  if (parsed.success) return parsed.data;
  const [first] = problems(parsed.error, input, () => ({}));
  throw new Error(`${first?.field ?? "the request"} ${first?.message ?? "is not understood"}`);
}

function refuse(socket: Socket, code: string, message: string): void {
  const answer: TrainerAnswer = { type: "error", code, message };
  socket.end(`${JSON.stringify(answer)}\n`);
}
