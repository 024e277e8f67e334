import type { Chance } from "../chance.ts";
import type { ModelBatch } from "./batch.ts";
import type { FunctionName, Functions } from "./functions.ts";
import { Life } from "./life.ts";
import { type Ending, runMachine, StateFailure, type StateMachine } from "./machine.ts";
import type { VirtualTime } from "./time.ts";

export interface Running {
  readonly name: string;
  readonly life: Life;
  ending: Ending | "aborted" | undefined;
}

export interface ExecutionsWorld {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly machine: StateMachine;
  readonly functions: Functions;
  readonly batch: ModelBatch;
  readonly say: (text: string) => void;
}

/** Step Functions: executions of the state machine, and what hears of their ends. */
export class Executions {
  readonly all: Running[] = [];
  readonly #world: ExecutionsWorld;
  readonly #service: Life;
  /** Sweeps that are on their way or under way. */
  sweeping = 0;

  constructor(world: ExecutionsWorld) {
    this.#world = world;
    this.#service = new Life(world.time, "Step Functions");
  }

  isAlive(execution: string): boolean {
    return this.all.find(({ name }) => name === execution)?.life.alive === true;
  }

  get newest(): Running | undefined {
    return this.all.at(-1);
  }

  /** Starts an execution; its name is taken for good. */
  start(input: unknown, name = `by-hand-${this.all.length + 1}`): void {
    const { time, chance, machine, say } = this.#world;
    if (this.all.some((known) => known.name === name))
      throw new StateFailure(
        "StepFunctions.ExecutionAlreadyExistsException",
        `Execution Already Exists: '${name}'`,
      );
    const life = new Life(time, name);
    const running: Running = { name, life, ending: undefined };
    this.all.push(running);
    say(`execution ${name} starts`);
    life.onEnd(() => this.#ended(running, input));
    runMachine({
      machine,
      id: arnOf(name),
      name,
      input,
      life,
      call: (resource, parameters) => this.#call(resource, parameters),
      random: () => chance.number("retry jitter"),
    }).then((ending) => {
      running.ending = ending;
      life.end();
    });
  }

  /** EventBridge tells Sweep of every end. */
  #ended(running: Running, input: unknown): void {
    const { chance, say } = this.#world;
    const { name } = running;
    const ending = running.ending ?? "aborted";
    running.ending = ending;
    const { status } = ending === "aborted" ? { status: "ABORTED" } : ending;
    say(`execution ${name} ends: ${ending === "aborted" ? status : JSON.stringify(ending)}`);
    const failed = ending !== "aborted" && ending.status === "FAILED";
    const told = failed ? { error: ending.error, cause: ending.cause } : {};
    const detail = { executionArn: arnOf(name), name, status, input: JSON.stringify(input), ...told };
    void this.#sweep(chance.between("event", 1, 30), {
      "detail-type": "Step Functions Execution Status Change",
      detail,
    });
  }

  /** What an event or the schedule asks of Sweep; Lambda tries a failed one again, twice. */
  async #sweep(afterSeconds: number, payload: unknown): Promise<void> {
    const { functions, say } = this.#world;
    this.sweeping += 1;
    await this.#service.sleep(afterSeconds);
    for (let turn = 0; turn < 3; turn += 1) {
      try {
        await functions.invoke("Sweep", payload);
        break;
      } catch (error) {
        say(`Sweep: ${error instanceof Error ? error.message : error}`);
        await this.#service.sleep(60 * (turn + 1));
      }
    }
    this.sweeping -= 1;
  }

  /** Sweep on its schedule. */
  schedule(): void {
    this.#service.in(900, () => {
      this.schedule();
      void this.#sweep(0, {});
    });
  }

  /** Settles when Sweep has looked at everything once more. */
  async sweepNow(): Promise<void> {
    await this.#sweep(0, {});
  }

  async #call(resource: string, parameters: unknown): Promise<unknown> {
    const { functions, batch } = this.#world;
    const fields = Object(parameters);
    if (resource.endsWith("batch:submitJob.sync")) return await batch.submitAndWait(parameters);
    if (resource.endsWith("states:startExecution")) {
      await this.#service.sleep(0.1);
      this.start(fields.Input, String(fields.Name));
      return { ExecutionArn: String(fields.Name) };
    }
    const name = /(Open|Review|Recover)$/.exec(String(fields.FunctionName))?.[1];
    if (!isFunction(name)) throw new Error(`there is no function ${fields.FunctionName}`);
    return { Payload: await functions.invoke(name, fields.Payload), StatusCode: 200 };
  }
}

const arnOf = (execution: string): string =>
  `arn:aws:states:virtual:000000000000:execution:pawl:${execution}`;

const isFunction = (name: string | undefined): name is FunctionName =>
  name === "Open" || name === "Review" || name === "Recover";
