import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { problems } from "../core/problems.ts";
import type { Metrics } from "../core/report.ts";
import {
  maxLineBytes,
  protocolVersion,
  type TrainerAnswer,
  TrainerRequest,
} from "../core/trainer-protocol.ts";
import { AttemptError } from "./attempt-error.ts";
import type { Course } from "./course.ts";
import type { Workspace } from "./workspace.ts";

export interface SessionContext {
  readonly course: Course;
  readonly workspace: Workspace;
  readonly run: string;
  readonly attempt: number;
  readonly epochs: number;
  readonly seed: number;
  /** The epoch of the restored checkpoint. */
  readonly restoredEpoch: number | undefined;
}

/** Answers one trainer on the attempt's socket, request by request. */
export class TrainerSession {
  readonly #context: SessionContext;
  readonly #server: Server;
  #connection: Socket | undefined;
  readonly #sockets = new Set<Socket>();
  #given = false;
  #folder: { epoch: number; path: string } | undefined;
  /** Whether a trainer has said hello: it is one that stays alive over epochs. */
  greeted = false;
  /** Set when the trainer has been told that nothing is left to train. */
  finished: string | undefined;
  /** Called when the trainer is told so. */
  #onFinished: (() => void) | undefined;
  /** Rejects when the conversation fails in a way that ends the attempt. */
  readonly failure = Promise.withResolvers<never>();

  private constructor(context: SessionContext, server: Server) {
    this.#context = context;
    this.#server = server;
    this.failure.promise.catch(() => {});
    server.on("connection", (socket) => this.#accept(socket));
    server.on("error", (error) => this.failure.reject(error));
  }

  /** Listens on the workspace's socket. */
  static async listen(context: SessionContext): Promise<TrainerSession> {
    await rm(context.workspace.socket, { force: true });
    const server = createServer();
    const session = new TrainerSession(context, server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(context.workspace.socket, resolve);
    });
    return session;
  }

  /** Has `listener`, and no earlier one, called when the trainer is told that nothing is left to train. */
  onFinished(listener: (() => void) | undefined): void {
    this.#onFinished = listener;
  }

  async close(): Promise<void> {
    // Also those that were refused: whoever holds one of them must not hold up the attempt's end.
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.#context.workspace.socket, { force: true });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      // One that came and went without a word was not the trainer.
      if (this.#connection === socket && !this.greeted) this.#connection = undefined;
    });
    if (this.#connection !== undefined) {
      this.#refuse(socket, "BUSY", "another process of this trainer talks to the agent already");
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
      request = this.#parse(line);
    } catch (error) {
      this.#fail(socket, "BAD_REQUEST", error instanceof Error ? error.message : String(error));
      return;
    }
    try {
      const answer = await this.#answer(request);
      if (answer.type === "error") this.#fail(socket, answer.code, answer.message);
      else socket.write(`${JSON.stringify(answer)}\n`);
    } catch (error) {
      this.failure.reject(error);
      this.#refuse(socket, "ATTEMPT_ENDS", error instanceof Error ? error.message : String(error));
    }
  }

  #parse(line: string): TrainerRequest {
    const input: unknown = JSON.parse(line);
    const parsed = TrainerRequest.safeParse(input);
    if (parsed.success) return parsed.data;
    const [first] = problems(parsed.error, input, () => ({}));
    throw new Error(`${first?.field ?? "the request"} ${first?.message ?? "is not understood"}`);
  }

  async #answer(request: TrainerRequest): Promise<TrainerAnswer> {
    const { course } = this.#context;
    if (request.type === "hello") return this.#welcome(request.protocol, request.helper);
    if (!this.greeted) return wrong("say hello first");
    switch (request.type) {
      case "next":
        return await this.#next();
      case "report": {
        const misplaced = this.#misplaced(request.epoch);
        if (misplaced !== undefined) return misplaced;
        if (course.reported) return wrong(`epoch ${request.epoch} has been reported already`);
        course.report({
          metrics: sorted(request.metrics),
          examples: request.examples,
          seconds: request.seconds,
        });
        return { type: "ok" };
      }
      case "checkpoint": {
        const misplaced = this.#misplaced(request.epoch);
        if (misplaced !== undefined) return misplaced;
        if (this.#folder !== undefined) return wrong(`epoch ${request.epoch} has a checkpoint already`);
        if (!course.plan.checkpoint) return wrong(`no checkpoint is due in epoch ${request.epoch}`);
        const path = await this.#context.workspace.freshSave(request.epoch);
        this.#folder = { epoch: request.epoch, path };
        return { type: "folder", folder: path };
      }
      case "saved": {
        if (this.#folder?.epoch !== request.epoch)
          return wrong(`no checkpoint of epoch ${request.epoch} was begun`);
        course.save(this.#folder.path, request.framework);
        this.#folder = { ...this.#folder, epoch: 0 };
        return { type: "ok" };
      }
    }
  }

  #welcome(protocol: number, helper: string): TrainerAnswer {
    const { run, attempt, epochs, seed, restoredEpoch, workspace } = this.#context;
    if (this.greeted) return wrong("hello was said already");
    if (protocol !== protocolVersion) {
      const message = `${helper} speaks protocol version ${protocol}, this agent speaks version ${protocolVersion}`;
      return { type: "error", code: "PROTOCOL_VERSION", message };
    }
    this.greeted = true;
    const restored =
      restoredEpoch === undefined ? null : { folder: workspace.checkpoint, epoch: restoredEpoch };
    return { type: "welcome", protocol: protocolVersion, run, attempt, epochs, seed, restored };
  }

  async #next(): Promise<TrainerAnswer> {
    const { course } = this.#context;
    if (this.finished !== undefined) return { type: "end", reason: this.finished };
    if (!this.#given) {
      this.#given = true;
      course.begin();
      return { type: "epoch", plan: course.plan };
    }
    const upcoming = await course.next();
    this.#folder = undefined;
    if ("plan" in upcoming) return { type: "epoch", plan: upcoming.plan };
    this.finished = upcoming.finish;
    this.#onFinished?.();
    return { type: "end", reason: upcoming.finish };
  }

  #misplaced(epoch: number): TrainerAnswer | undefined {
    const { course } = this.#context;
    if (this.#given && this.finished === undefined && epoch === course.plan.epoch) return undefined;
    return wrong(
      `epoch ${epoch} is not being trained${this.#given ? `; epoch ${course.plan.epoch} is` : ""}`,
    );
  }

  /** A conversation that cannot go on ends the attempt: the trainer would train something else than it was told. */
  #fail(socket: Socket, code: string, message: string): void {
    this.failure.reject(new AttemptError("trainer-protocol", message));
    this.#refuse(socket, code, message);
  }

  #refuse(socket: Socket, code: string, message: string): void {
    const answer: TrainerAnswer = { type: "error", code, message };
    socket.end(`${JSON.stringify(answer)}\n`);
  }
}

const wrong = (message: string): TrainerAnswer => ({ type: "error", code: "OUT_OF_ORDER", message });

const sorted = (metrics: Metrics): Metrics =>
  Object.fromEntries(Object.entries(metrics).sort(([a], [b]) => (a < b ? -1 : 1)));
