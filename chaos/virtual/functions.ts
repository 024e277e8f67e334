import type { DecisionLimits } from "../../core/decision.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { journalPrefix } from "../../core/keys.ts";
import { openRun } from "../../lambdas/open.ts";
import type { Jobs, Liveness, Ports } from "../../lambdas/ports.ts";
import { recoverRun } from "../../lambdas/recover.ts";
import { reviewRun } from "../../lambdas/review.ts";
import { stopRun } from "../../lambdas/stop.ts";
import { sweepRuns } from "../../lambdas/sweep.ts";
import type { Journal } from "../../store/journal.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { storeOver } from "./client.ts";
import type { Harm } from "./harm.ts";
import { Life } from "./life.ts";
import { StateFailure } from "./machine.ts";
import type { VirtualTime } from "./time.ts";

/** The handlers as they are deployed, by the functions' names. */
const handlers = {
  Open: openRun,
  Review: reviewRun,
  Recover: recoverRun,
  Stop: stopRun,
  Sweep: sweepRuns,
} as const;
export type FunctionName = keyof typeof handlers;

export interface FunctionsWorld {
  readonly time: VirtualTime;
  readonly harm: Harm;
  readonly store: ObjectStore;
  readonly liveness: Liveness;
  readonly jobs: Jobs;
  readonly limits: DecisionLimits;
  readonly onEntry: (entry: JournalEntry) => void;
  /** The longest that a function waits for the store. */
  readonly latencySeconds: number;
  readonly notify: NonNullable<Ports["notify"]>;
  readonly journalOn: (store: ObjectStore) => Journal;
  /** By how many seconds the clocks of functions differ at most. */
  readonly skewSeconds: number;
}

/** A warm container: what its module remembers outlives an invocation, which may not. */
interface Container {
  life: Life;
  busy: boolean;
  /** Whether the invocation ends as soon as it has written a journal entry. */
  crashes: boolean;
  readonly ports: Ports;
}

/** How long a function may take, in seconds. */
const timeOut = 120;

const overTheWire = (value: unknown): unknown => {
  const text = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(text);
};

/** Lambda: runs handlers, at times twice, late, or not to their end. */
export class Functions {
  readonly #world: FunctionsWorld;
  /** The service itself, which lives for ever. */
  readonly #service: Life;
  readonly #containers: Container[] = [];
  #count = 0;
  /** Invocations that run, late ones among them. */
  running = 0;

  constructor(world: FunctionsWorld) {
    this.#world = world;
    this.#service = new Life(world.time, "Lambda");
  }

  /** Throws StateFailure, as Step Functions words what went wrong. */
  async invoke(name: FunctionName, payload: unknown): Promise<unknown> {
    const { harm } = this.#world;
    const { chance } = harm;
    const service = this.#service;
    await service.sleep(chance.between("invoke", 0.01, 0.1));
    const fault = harm.ofFunction(name);
    if (fault === "function: throttled")
      throw new StateFailure("Lambda.TooManyRequestsException", "Rate Exceeded.");
    if (fault === "function: delivered late") {
      this.#later(chance.between("late", 10, 900), name, payload);
      await service.sleep(60);
      throw new StateFailure("Lambda.ClientExecutionTimeoutException", "no answer within 60 s");
    }
    if (fault === "function: delivered twice")
      this.#later(chance.between("twice", 0, chance.of("how soon", [0.02, 60])), name, payload);
    const crash =
      fault === "function: crash" || fault === "function: crash after its entry" ? fault : undefined;
    return await this.#run(name, payload, crash);
  }

  #later(seconds: number, name: FunctionName, payload: unknown): void {
    this.running += 1;
    this.#service.in(seconds, () => {
      this.running -= 1;
      this.#run(name, payload).catch(() => {});
    });
  }

  async #run(
    name: FunctionName,
    payload: unknown,
    crash?: "function: crash" | "function: crash after its entry",
  ): Promise<unknown> {
    const { time, harm, skewSeconds } = this.#world;
    this.#count += 1;
    const skew = skewSeconds === 0 ? 0 : harm.chance.between("function's clock", -skewSeconds, skewSeconds);
    const life = new Life(time, `${name} ${this.#count}`, skew);
    const container = this.#container(life);
    container.crashes = crash === "function: crash after its entry";
    this.running += 1;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    life.onEnd(() => {
      this.running -= 1;
      this.#service.in(1, () =>
        reject(new StateFailure("Sandbox.Timedout", `${name} timed out after ${timeOut} seconds`)),
      );
    });
    life.in(timeOut, () => life.end());
    if (crash === "function: crash") life.in(harm.chance.between("crash", 0, 0.4), () => life.end());
    handlers[name](container.ports)(overTheWire(payload)).then(
      (answer: unknown) => {
        resolve(overTheWire(answer));
        container.busy = false;
        life.end();
      },
      (error: unknown) => {
        reject(functionError(error));
        container.busy = false;
        life.end();
      },
    );
    return await promise;
  }

  #container(life: Life): Container {
    const free = this.#containers.find(({ busy }) => !busy);
    if (free !== undefined) {
      free.life = life;
      free.busy = true;
      return free;
    }
    const { harm, store, liveness, jobs, limits, onEntry, notify, journalOn, latencySeconds } = this.#world;
    const seen = storeOver(store, {
      life: () => container.life,
      harm,
      seconds: () => harm.chance.between("store latency", 0.005, latencySeconds),
      onWritten: (key) => {
        if (container.crashes && key.startsWith(journalPrefix)) container.life.end();
      },
    });
    const container: Container = {
      life,
      busy: true,
      crashes: false,
      ports: {
        store: seen,
        journal: journalOn(seen),
        liveness: { check: (...all) => container.life.of(liveness.check(...all)) },
        jobs: {
          look: (...all) => container.life.of(jobs.look(...all)),
          end: (...all) => container.life.of(jobs.end(...all)),
        },
        now: () => container.life.date(),
        random: () => harm.chance.number("jitter"),
        limits,
        onEntry,
        notify,
      },
    };
    this.#containers.push(container);
    return container;
  }
}

/** An exception that a function did not catch, as Lambda words it. */
function functionError(error: unknown): StateFailure {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return new StateFailure(name, JSON.stringify({ errorType: name, errorMessage: message, trace: [] }));
}
