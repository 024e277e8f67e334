import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EpochPlan } from "../core/report.ts";
import { maxLineBytes, protocolVersion, TrainerAnswer, TrainerRequest } from "../core/trainer-protocol.ts";

/** What the agent puts on the wire for one request: pieces with a turn of the event loop between them, then the end. */
interface Spoken {
  readonly pieces: readonly (string | Uint8Array)[];
  readonly close?: boolean;
}

type Answer<Type extends TrainerAnswer["type"]> = Extract<TrainerAnswer, { type: Type }>;

export interface Scenario {
  readonly plans: readonly EpochPlan[];
  readonly restored?: Answer<"welcome">["restored"];
  /** From where the first of the epochs goes on. */
  readonly resume?: Answer<"epoch">["resume"];
  /** Whether a checkpoint is to be taken at this step, else when to ask again; without it, at each step. */
  readonly atStep?: (request: Extract<TrainerRequest, { type: "step" }>) => "save" | Answer<"go-on">["ask"];
  /** Says something else than `usual` in answer to `request`; `undefined` for the usual. */
  readonly speak?: (request: TrainerRequest, usual: TrainerAnswer) => Spoken | undefined;
}

/** An agent that follows a script: it checks every request and answers from the scenario. */
export interface ScriptedAgent extends AsyncDisposable {
  readonly socketPath: string;
  /** What the trainer asked, in order. */
  readonly requests: TrainerRequest[];
  /** What the trainer did against the protocol. */
  readonly problems: string[];
  /** The folder that was given for the checkpoint of `epoch`, or at a step of it. */
  checkpointFolder(epoch: number, step?: number): string;
  /** Says `text` without being asked. */
  interject(text: string): void;
  /** Closes the conversation, as an agent that dies does. */
  hangUp(): void;
}

export const answerLine = (answer: TrainerAnswer): string =>
  `${JSON.stringify(TrainerAnswer.parse(answer))}\n`;

export async function startScriptedAgent(scenario: Scenario): Promise<ScriptedAgent> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-scripted-"));
  const socketPath = join(folder, "agent.sock");
  const requests: TrainerRequest[] = [];
  const problems: string[] = [];
  const sockets = new Set<Socket>();
  const plans = [...scenario.plans];
  const checkpointFolder = (epoch: number, step?: number): string =>
    join(folder, step === undefined ? `checkpoint-${epoch}` : `checkpoint-${epoch}-step-${step}`);
  let { resume } = scenario;

  const usualAnswer = (request: TrainerRequest): TrainerAnswer => {
    if (request.type === "hello") {
      const { restored = null } = scenario;
      return {
        type: "welcome",
        protocol: protocolVersion,
        run: "scripted-1",
        attempt: 3,
        epochs: 9,
        seed: 7,
        restored,
      };
    }
    if (request.type === "next") {
      const plan = plans.shift();
      if (plan === undefined) return { type: "end", reason: "all epochs are trained" };
      const rest = resume;
      resume = undefined;
      return { type: "epoch", plan, ...(rest === undefined ? {} : { resume: rest }) };
    }
    if (request.type === "step") {
      const ask = scenario.atStep?.(request) ?? { seconds: 0 };
      if (ask !== "save") return { type: "go-on", ask };
    } else if (request.type !== "checkpoint") return { type: "ok" };
    const made = checkpointFolder(request.epoch, request.type === "step" ? request.step : undefined);
    mkdirSync(made);
    return { type: "folder", folder: made };
  };

  const answer = async (socket: Socket, line: string, answered: () => void): Promise<void> => {
    const request = TrainerRequest.parse(JSON.parse(line));
    requests.push(request);
    const usual = usualAnswer(request);
    const { pieces, close } = scenario.speak?.(request, usual) ?? { pieces: [answerLine(usual)] };
    for (const [index, piece] of pieces.entries()) {
      if (index === pieces.length - 1) answered();
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (close === true) socket.end();
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    let text = "";
    let busy = false;
    socket.setEncoding("utf8");
    socket.on("error", () => {});
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end < 0) return;
      if (busy || end !== text.length - 1) problems.push("asked again before the answer");
      if (Buffer.byteLength(text) > maxLineBytes) problems.push("a line that is too long");
      const line = text.slice(0, end);
      text = "";
      busy = true;
      answer(socket, line, () => {
        busy = false;
      }).catch((error: unknown) => problems.push(String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));

  return {
    socketPath,
    requests,
    problems,
    checkpointFolder,
    interject: (said) => {
      for (const socket of sockets) socket.write(said);
    },
    hangUp: () => {
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
