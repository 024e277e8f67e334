import type { LifeSign } from "../core/policies/stall.ts";
import type { Metrics } from "../core/report.ts";
import { protocolVersion, type TrainerAnswer, type TrainerRequest } from "../core/trainer-protocol.ts";
import type { PartialEpoch } from "../store/checkpoints.ts";
import type { Consultation } from "./consultation.ts";
import type { Course } from "./course.ts";
import type { SaveClock } from "./save-clock.ts";
import type { StallWatch } from "./stall-watch.ts";
import type { Restored } from "./starting-checkpoint.ts";
import { type Answering, TrainerSocket } from "./trainer-socket.ts";
import type { Workspace } from "./workspace.ts";

export interface SessionContext {
  readonly course: Course;
  readonly consultation: Consultation;
  readonly clock: SaveClock;
  readonly watch: StallWatch;
  readonly workspace: Workspace;
  readonly run: string;
  readonly attempt: number;
  readonly epochs: number;
  readonly seed: number;
  readonly restored: Restored;
}

/** A folder that the trainer fills: of the epoch's end, or of a step in its middle. */
interface OpenFolder {
  readonly epoch: number;
  readonly path: string;
  readonly begunAt: number;
  readonly at?: PartialEpoch;
}

type Asks<Type extends TrainerRequest["type"]> = Extract<TrainerRequest, { type: Type }>;

/** The conversation with one trainer: what it may ask when, and what it is told. */
export class TrainerSession implements Answering {
  readonly #context: SessionContext;
  #socket: TrainerSocket | undefined;
  #given = false;
  #folder: OpenFolder | undefined;
  /** Whether the end of this epoch has a checkpoint, or is known to need none. */
  #ended = false;
  /** The newest step of this epoch. */
  #step = 0;
  /** Whether to let the trainer go no further. */
  #isToWait: () => boolean = () => false;
  #letGo = Promise.withResolvers<void>();
  /** Whether the trainer can be saved in the middle of an epoch. */
  steps = false;
  /** Whether a trainer has said hello: it is one that stays alive over epochs. */
  greeted = false;
  /** Set when the trainer has been told that nothing is left to train. */
  finished: string | undefined;
  /** Called when the trainer is told so. */
  #onFinished: (() => void) | undefined;
  /** Rejects when the conversation fails in a way that ends the attempt. */
  readonly failure = Promise.withResolvers<never>();

  private constructor(context: SessionContext) {
    this.#context = context;
    this.failure.promise.catch(() => {});
  }

  /** Listens on the workspace's socket. */
  static async listen(context: SessionContext): Promise<TrainerSession> {
    const session = new TrainerSession(context);
    session.#socket = await TrainerSocket.listen(context.workspace.socket, session);
    return session;
  }

  failed(error: unknown): void {
    this.failure.reject(error);
  }

  /** Has `listener`, and no earlier one, called when the trainer is told that nothing is left to train. */
  onFinished(listener: (() => void) | undefined): void {
    this.#onFinished = listener;
  }

  /** Whether the trainer fills a folder now. */
  get saving(): boolean {
    return this.#folder !== undefined;
  }

  /** Holds the trainer up, from when `isToWait` says so: what it trained then would be lost. */
  hold(isToWait: () => boolean): void {
    this.#isToWait = isToWait;
  }

  /** Waits while the trainer is to go no further. */
  async held(): Promise<void> {
    if (this.#isToWait()) await this.#letGo.promise;
  }

  letGo(): void {
    this.#isToWait = () => false;
    this.#letGo.resolve();
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  async answer(request: TrainerRequest): Promise<TrainerAnswer> {
    const { watch } = this.#context;
    watch.observe(lifeSign(request));
    // While the agent answers, the trainer is not to blame for silence.
    watch.observe("pause");
    try {
      return await this.#answer(request);
    } finally {
      watch.observe("resume");
    }
  }

  async #answer(request: TrainerRequest): Promise<TrainerAnswer> {
    if (request.type === "hello") return this.#welcome(request.protocol, request.helper);
    if (!this.greeted) return wrong("say hello first");
    if (request.type === "next") return await this.#next();
    const misplaced = this.#misplaced(request.epoch);
    if (misplaced !== undefined) return misplaced;
    switch (request.type) {
      case "report":
        return this.#report(request);
      case "step":
        return await this.#stepped(request);
      case "checkpoint":
        return await this.#checkpoint(request);
      case "saved":
        return await this.#saved(request);
    }
  }

  #welcome(protocol: number, helper: string): TrainerAnswer {
    const { run, attempt, epochs, seed, restored, workspace } = this.#context;
    if (this.greeted) return wrong("hello was said already");
    if (protocol !== protocolVersion) {
      const message = `${helper} speaks protocol version ${protocol}, this agent speaks version ${protocolVersion}`;
      return { type: "error", code: "PROTOCOL_VERSION", message };
    }
    this.greeted = true;
    return {
      type: "welcome",
      protocol: protocolVersion,
      run,
      attempt,
      epochs,
      seed,
      restored:
        restored.epoch === undefined
          ? null
          : {
              folder: workspace.checkpoint,
              epoch: restored.epoch,
              ...(restored.resume === undefined ? {} : { step: restored.resume.step }),
            },
    };
  }

  async #next(): Promise<TrainerAnswer> {
    const { course, consultation } = this.#context;
    if (this.finished !== undefined) return { type: "end", reason: this.finished };
    if (!this.#given) {
      this.#given = true;
      course.begin();
      const { plan, resume } = course;
      this.#step = resume?.step ?? 0;
      if (resume === undefined) return { type: "epoch", plan };
      const { step, position, seconds } = resume;
      return { type: "epoch", plan, resume: { step, position, seconds } };
    }
    if (this.#folder?.at !== undefined) return this.#unfinished(this.#folder);
    await this.held();
    const upcoming = await course.next();
    this.#folder = undefined;
    this.#ended = false;
    this.#step = 0;
    consultation.begin();
    if ("plan" in upcoming) return { type: "epoch", plan: upcoming.plan };
    this.finished = upcoming.finish;
    this.#onFinished?.();
    return { type: "end", reason: upcoming.finish };
  }

  #report({ epoch, metrics, examples, seconds, measured }: Asks<"report">): TrainerAnswer {
    const { course } = this.#context;
    if (course.reported) return wrong(`epoch ${epoch} has been reported already`);
    if (this.#folder?.at !== undefined) return this.#unfinished(this.#folder);
    course.report({ metrics: sorted(metrics), examples, seconds, measured });
    return { type: "ok" };
  }

  async #stepped({ epoch, step, position, canSave, measured }: Asks<"step">): Promise<TrainerAnswer> {
    const { course, clock } = this.#context;
    if (course.reported) return wrong(`epoch ${epoch} has been reported: its steps come before its report`);
    if (this.#folder !== undefined) return this.#unfinished(this.#folder);
    if (this.#ended) return wrong(`epoch ${epoch} has its checkpoint: its steps come before that`);
    if (step <= this.#step) {
      const restored = this.#step === course.resume?.step ? ", which is in the restored checkpoint" : "";
      return wrong(
        `step ${step} of epoch ${epoch} comes after step ${this.#step}${restored}: steps go forward`,
      );
    }
    this.#step = step;
    this.steps ||= canSave;
    clock.seen(step, canSave);
    course.measure(measured);
    if (!canSave || !course.plan.checkpoint || !clock.dueNow) return await this.#goOn(step);
    return await this.#fill(epoch, { step, position, ...course.part });
  }

  /** Lets the trainer go on after `step`: with another plan for the rest of the epoch, where what was measured says so. */
  async #goOn(step: number): Promise<TrainerAnswer> {
    const { course, consultation, clock } = this.#context;
    const { plan, measured } = course;
    if (measured === undefined) return { type: "go-on", ask: clock.ask(step) };
    const next = await consultation.plan({ plan, step, measured });
    const changes = next !== undefined && course.goOnBy(next);
    const steps = changes ? consultation.hold : consultation.stepsTo({ plan, measured });
    return {
      type: "go-on",
      ask: sooner(clock.ask(step), steps === undefined ? undefined : step + steps),
      ...(changes ? { plan: next } : {}),
    };
  }

  async #checkpoint({ epoch }: Asks<"checkpoint">): Promise<TrainerAnswer> {
    const { course, clock } = this.#context;
    if (this.#ended) return wrong(`epoch ${epoch} has a checkpoint already`);
    if (!course.plan.checkpoint) return wrong(`no checkpoint is due in epoch ${epoch}`);
    if (this.#folder !== undefined) return this.#unfinished(this.#folder);
    this.#ended = true;
    if (clock.demanded || (await course.endIsDue())) return await this.#fill(epoch);
    course.skip();
    return { type: "skip" };
  }

  async #fill(epoch: number, at?: PartialEpoch): Promise<TrainerAnswer> {
    const { workspace, clock } = this.#context;
    const begunAt = performance.now();
    const path = await workspace.freshSave(at === undefined ? `${epoch}` : `${epoch}-${at.step}`);
    this.#folder = { epoch, path, begunAt, ...(at === undefined ? {} : { at }) };
    clock.begun(at !== undefined);
    return { type: "folder", folder: path };
  }

  async #saved({ epoch, step, framework }: Asks<"saved">): Promise<TrainerAnswer> {
    const { course } = this.#context;
    const open = this.#folder;
    if (open === undefined || open.at?.step !== step) {
      const at = step === undefined ? "" : ` at step ${step}`;
      return wrong(`no checkpoint of epoch ${epoch}${at} was begun`);
    }
    this.#folder = undefined;
    const { path: folder, begunAt, at } = open;
    const files = { folder, framework, begunAt, handedOverAt: performance.now() };
    if (at === undefined) course.save(files);
    else course.savePart(at, files);
    await this.held();
    return { type: "ok" };
  }

  #unfinished({ epoch, at }: OpenFolder): TrainerAnswer {
    const where = at === undefined ? "at its end" : `at step ${at.step}`;
    return wrong(`the checkpoint of epoch ${epoch} ${where} was begun, and has to be handed over first`);
  }

  #misplaced(epoch: number): TrainerAnswer | undefined {
    const { course } = this.#context;
    if (this.#given && this.finished === undefined && epoch === course.plan.epoch) return undefined;
    return wrong(
      `epoch ${epoch} is not being trained${this.#given ? `; epoch ${course.plan.epoch} is` : ""}`,
    );
  }
}

/** When to ask: as `ask` says, or at `step` if that is sooner. */
const sooner = (ask: { seconds: number; step?: number }, step: number | undefined) =>
  step === undefined ? ask : { ...ask, step: Math.min(ask.step ?? step, step) };

const wrong = (message: string): TrainerAnswer => ({ type: "error", code: "OUT_OF_ORDER", message });

const lifeSign = ({ type }: TrainerRequest): LifeSign =>
  type === "step" || type === "report" ? type : "request";

const sorted = (metrics: Metrics): Metrics =>
  Object.fromEntries(Object.entries(metrics).sort(([a], [b]) => (a < b ? -1 : 1)));
