import { reachOf } from "../decisions/progress.ts";
import type { Evidence, RunEvent } from "../events.ts";
import type { FailureClass } from "../failure.ts";
import { TrainingJob, type TrainingJobInput } from "../job.ts";
import type { CheckpointSummary } from "../manifest.ts";
import { isFurther, reach } from "../position.ts";
import type { Driver } from "../run-state.ts";
import { Audit } from "./audit.ts";
import { Dice } from "./dice.ts";
import { evidenceOn, opens, sweeps } from "./events.ts";
import { ModelBatchJob } from "./model-batch-job.ts";
import { type DriverInput, endOf, ModelDriver } from "./model-driver.ts";
import { type Decided, ModelJournal, type Reply } from "./model-journal.ts";
import { ModelPerson } from "./model-person.ts";

/** One thing that can happen next. */
export interface Move {
  readonly name: string;
  readonly play: (dice: Dice) => void;
}

/** Somebody's question to a decision. What it is decided from is looked at when it is decided, as the handlers do. */
export interface Request {
  readonly sender: ModelBatchJob | ModelDriver | ModelPerson | typeof sweeper;
  readonly observe: (dice: Dice) => RunEvent;
}

/** Sweep acts on no answer. */
const sweeper = { receive: (_request: Request, _reply: Reply): void => {} };

const failures: readonly [FailureClass, ...FailureClass[]] = [
  "user-exception",
  "container-oom",
  "store-failed",
  "spot-reclaim",
  "interrupted",
  "batch-api-throttled",
  "no-checkpoint",
  "gpu-oom",
  "stalled",
  "capacity-never-available",
  "credentials-expired",
];

/**
 * A run with everything around it that can go wrong: Batch jobs, executions of the state machine, a store and the
 * messages between them, which are lost, repeated, late and out of order. `journal` and the decisions are the real ones.
 */
export class World {
  readonly journal: ModelJournal;
  readonly audit: Audit;
  readonly drivers = new Map<string, ModelDriver>();
  readonly batchJobs: ModelBatchJob[] = [];
  readonly people: ModelPerson[] = [];
  /** What happened, to be read when a case fails. */
  readonly log: string[] = [];
  readonly keepsCheckpoints: boolean;
  /** The last epoch of a segment that begins with `first`, as the job has it. */
  readonly lastEpoch: (first: number) => number;
  /** Whether a loss can be no number. */
  diverges = true;
  readonly #job: TrainingJobInput;
  readonly #checkpoints = new Map<string, CheckpointSummary>();
  readonly #damaged = new Set<string>();
  /** Questions on their way, late copies included. */
  readonly #mail: Request[] = [];
  /** Decided, and not written yet: others can come first. */
  readonly #undecided: { request: Request; decided: Decided }[] = [];
  #dice = new Dice(0);
  #executions = 0;

  constructor(job: TrainingJobInput, turnsPerExecution: number) {
    this.#job = job;
    const { checkpoint, segment, epochs } = TrainingJob.parse(job);
    this.keepsCheckpoints = checkpoint.policy === "keep";
    this.lastEpoch = (first) => (segment === "auto" ? epochs : Math.min(epochs, first - 1 + segment));
    this.journal = new ModelJournal({ turnsPerExecution });
    this.audit = new Audit(this.journal);
    this.startByHand({ job });
  }

  get finished(): boolean {
    return this.journal.head?.state.status === "finished";
  }

  /** Lets something happen, of everything that can: `choice` says what, and how. */
  step(choice: number): void {
    const dice = new Dice(choice);
    this.#play(dice.once(4) ? this.#faults() : this.fairMoves(), dice);
  }

  /** Lets things happen without a further fault until the run is finished. */
  finishFairly(seed: number, mostSteps = 5000): void {
    const dice = new Dice(seed);
    this.diverges = false;
    for (let step = 0; !this.finished; step += 1) {
      if (step >= mostSteps) throw new Error(`not finished after ${mostSteps} steps without a fault`);
      if ([...this.drivers.values()].every((driver) => !driver.alive))
        this.startByHand(this.journal.head === undefined ? { job: this.#job } : {});
      this.#play(this.fairMoves(), dice);
    }
  }

  /** Lets everything that is still on its way arrive, and everybody who still runs leave. */
  settleDown(seed: number): void {
    const dice = new Dice(seed);
    for (let moves = this.fairMoves(); moves.length > 0; moves = this.fairMoves()) this.#play(moves, dice);
  }

  startByHand(input: DriverInput): void {
    this.#executions += 1;
    this.startDriver(`by-hand-${this.#executions}`, input);
  }

  /** An execution's name is taken for good: starting it again starts nothing. */
  startDriver(execution: string, input: DriverInput): void {
    if (!this.drivers.has(execution)) this.drivers.set(execution, new ModelDriver(this, execution, input));
  }

  /** Somebody asks that the run stop. */
  stopByHand(): void {
    this.people.push(new ModelPerson(this, `person-${this.people.length + 1}`));
  }

  /** Sweep, as it is asked on its schedule or when an execution has ended. */
  sweep(): void {
    this.ask(sweeper, (dice) => {
      const successor = this.journal.head?.state.successor ?? "";
      const holder =
        this.drivers.get(successor)?.alive === true ? { alive: true, who: successor } : this.holder();
      const stranger = opens("sweep").driver;
      return sweeps({ holder, evidence: holder.alive ? [] : this.evidenceFor(stranger, dice) });
    });
  }

  ask(sender: Request["sender"], observe: Request["observe"]): Request {
    const request = { sender, observe };
    this.send(request);
    return request;
  }

  send(request: Request): void {
    this.#mail.push(request);
  }

  underWay(request: Request): boolean {
    return this.#mail.includes(request) || this.#undecided.some((item) => item.request === request);
  }

  /** SubmitJob: at times a retry makes two jobs of one assignment, and either is the one that is watched. */
  submit(attempt: number): ModelBatchJob {
    const copies = this.#dice.once(6) ? 2 : 1;
    const jobs = Array.from({ length: copies }, (_, i) => {
      const job = new ModelBatchJob(this, `batch-${attempt}-${i + 1}`, attempt);
      this.batchJobs.push(job);
      return job;
    });
    const watched = jobs[this.#dice.pick(copies)];
    if (watched === undefined) throw new Error("nothing was submitted");
    return watched;
  }

  /** The driver that the journal names, as whoever asks is told of it. */
  holder(): { alive: boolean; who: string } {
    const execution = this.journal.head?.state.driver.execution ?? "";
    return { alive: this.drivers.get(execution)?.alive === true, who: execution };
  }

  holderFor(driver: Driver): { alive: boolean; who: string } {
    const holder = this.journal.head?.state.driver;
    if (holder === undefined || holder.id === driver.id) return { alive: false, who: "" };
    return this.holder();
  }

  /** On each live attempt; a new driver ends those that still run, which can take a while. */
  evidenceFor(driver: Driver, dice: Dice): Evidence[] {
    const state = this.journal.head?.state;
    if (state === undefined) return [];
    const same = state.driver.id === driver.id;
    const handedOver = state.successor === driver.execution;
    if (!same && this.holderFor(driver).alive && !handedOver) return [];
    return state.live.map((attempt) => {
      const job = this.batchJobs.find(({ id }) => id === attempt.batchJobId);
      if (!same && !handedOver && job?.ended === false) {
        if (dice.once(2)) job.kill("interrupted");
        else job.dying = true;
      }
      return this.evidenceOf(attempt.number, job, job?.ended !== false);
    });
  }

  /** What `attempt` left, as the account of `job` and the store show it. */
  evidenceOf(attempt: number, job: ModelBatchJob | undefined, gone: boolean): Evidence {
    const state = this.journal.head?.state;
    const live = state?.live.find((candidate) => candidate.number === attempt);
    if (state === undefined || live === undefined) return evidenceOn(attempt, "unknown");
    const reached = reachOf(state.progress);
    const found = [...this.#checkpoints.values()]
      .filter((checkpoint) => checkpoint.attempt === attempt && isFurther(reach(checkpoint), reached))
      .sort((a, b) => (isFurther(reach(a), reach(b)) ? 1 : -1));
    const winner = live.batchJobId;
    const damaged = job?.outcome?.damaged;
    return evidenceOn(attempt, endOf(job), {
      gone,
      found: gone ? found : [],
      ...(winner !== undefined && job !== undefined && job.id !== winner ? { winner } : {}),
      ...(damaged === undefined ? {} : { damaged }),
    });
  }

  writeManifest(checkpoint: CheckpointSummary): void {
    if (this.#checkpoints.has(checkpoint.name)) throw new Error(`${checkpoint.name} is written twice`);
    this.#checkpoints.set(checkpoint.name, checkpoint);
  }

  restore(name: string): CheckpointSummary | "damaged" {
    const checkpoint = this.#checkpoints.get(name);
    if (checkpoint === undefined) throw new Error(`${name} is to be restored and is not there`);
    for (const holder of checkpoint.refersTo)
      if (!this.#checkpoints.has(holder)) throw new Error(`${name} needs ${holder}, which is not there`);
    return [name, ...checkpoint.refersTo].some((each) => this.#damaged.has(each)) ? "damaged" : checkpoint;
  }

  removeCheckpoint(name: string): void {
    if (this.journal.head?.state.kept.some((checkpoint) => checkpoint.name === name) === true)
      throw new Error(`${name} is removed and still kept`);
    this.#checkpoints.delete(name);
  }

  /** What happens when nothing goes wrong any more. */
  fairMoves(): Move[] {
    return [
      ...[...this.drivers.values()].flatMap((driver) => driver.moves()),
      ...this.batchJobs.flatMap((job) => job.moves()),
      ...this.people.flatMap((person) => person.moves()),
      ...this.#mail.map((request) => ({
        name: "arrives",
        play: () => {
          this.#take(request);
          this.#answer(request, this.#decide(request));
        },
      })),
      ...this.#undecided.map((item) => ({
        name: "is written",
        play: () => {
          this.#undecided.splice(this.#undecided.indexOf(item), 1);
          this.#answer(item.request, this.#write(item.request, item.decided));
        },
      })),
    ];
  }

  #faults(): Move[] {
    const alive = [...this.drivers.values()].filter((driver) => driver.alive);
    const running = this.batchJobs.filter((job) => job.runs);
    const newest = this.journal.head?.state.kept.at(-1)?.name;
    return [
      ...this.#mail.flatMap((request) => this.#misfortunes(request)),
      ...running.flatMap((job): Move[] => [
        { name: `${job.id} is killed`, play: (dice) => job.kill(dice.of(failures)) },
        {
          name: `${job.id} is believed dead`,
          play: () => {
            job.reclaimed = true;
          },
        },
      ]),
      ...alive.map((driver) => ({
        name: `${driver.execution} is killed`,
        play: () => {
          driver.alive = false;
        },
      })),
      ...(this.journal.head === undefined
        ? []
        : [
            { name: "somebody asks that it stop", play: () => this.stopByHand() },
            { name: "Sweep looks", play: () => this.sweep() },
          ]),
      { name: "somebody starts it again", play: (dice: Dice) => this.startByHand(this.#again(dice)) },
      ...(newest === undefined || this.#dice.pick(4) > 0
        ? []
        : [{ name: `${newest} is damaged`, play: () => void this.#damaged.add(newest) }]),
    ];
  }

  #misfortunes(request: Request): Move[] {
    return [
      { name: "is lost", play: () => this.#take(request) },
      { name: "arrives and comes again", play: () => this.#answer(request, this.#decide(request)) },
      {
        name: "arrives, and its answer is lost",
        play: () => {
          this.#take(request);
          this.#decide(request);
        },
      },
      {
        name: "is being decided",
        play: () => {
          this.#take(request);
          this.#undecided.push({ request, decided: this.journal.decide(request.observe(this.#dice)) });
        },
      },
    ];
  }

  #again(dice: Dice): DriverInput {
    const job = this.#job;
    const changed = { ...job, epochs: job.epochs + dice.pick(3), seed: dice.pick(9) };
    return dice.of<DriverInput>([{ job }, {}, { job: changed }, { job: changed, acceptChanges: true }]);
  }

  #take(request: Request): void {
    this.#mail.splice(this.#mail.indexOf(request), 1);
  }

  #decide(request: Request): Reply {
    return this.#write(request, this.journal.decide(request.observe(this.#dice)));
  }

  /** Writes what was decided, or decides again where another decision came first. */
  #write(request: Request, first: Decided): Reply {
    let decided = first;
    while (decided.decision.changed && !this.journal.append(decided))
      decided = this.journal.decide(request.observe(this.#dice));
    this.audit.decided(request, decided);
    return decided.decision.reply;
  }

  #answer(request: Request, reply: Reply): void {
    request.sender.receive(request, reply);
  }

  #play(moves: readonly Move[], dice: Dice): void {
    const move = moves[dice.pick(Math.max(1, moves.length))];
    if (move === undefined) return;
    this.#dice = dice;
    const from = this.journal.entries.length;
    move.play(dice);
    this.log.push(move.name);
    for (const { decision } of this.journal.entries.slice(from))
      this.log.push(`   ${decision.kind}: ${decision.reason}`);
  }
}
