import type { StopAnswer } from "../stop.ts";
import { run } from "./events.ts";
import type { Reply } from "./model-journal.ts";
import type { Move, Request, World } from "./world.ts";

/** Somebody who asks that the run stop, and looks until it has. */
export class ModelPerson {
  readonly name: string;
  /** The last answer. */
  answer: StopAnswer | undefined;
  readonly #world: World;
  #asked: Request | undefined;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.#ask(name);
  }

  moves(): Move[] {
    const asked = this.#asked;
    const { answer } = this;
    if (asked !== undefined)
      return this.#world.underWay(asked)
        ? []
        : [{ name: `${this.name} asks again`, play: () => this.#world.send(asked) }];
    if (answer?.action !== "stopping") return [];
    return [{ name: `${this.name} looks again`, play: () => this.#ask(answer.stop.id) }];
  }

  receive(request: Request, reply: Reply): void {
    if (request !== this.#asked) return;
    this.#asked = undefined;
    switch (reply.action) {
      case "stopping":
      case "stopped":
      case "over":
      case "went-on":
        this.answer = reply;
        return;
      default:
    }
    throw new Error(`${this.name} was answered ${reply.action}`);
  }

  #ask(id: string): void {
    this.#asked = this.#world.ask(this, () => ({
      type: "stop",
      run,
      id,
      by: this.name,
      holder: this.#world.holder(),
    }));
  }
}
