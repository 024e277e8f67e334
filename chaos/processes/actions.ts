import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MetadataServer } from "../../agent/testing/metadata-server.ts";
import type { FailureClass } from "../../core/failure.ts";
import { type Running, startPawl } from "../../test/pawl.ts";
import type { Chance } from "../chance.ts";
import { damage } from "../damage.ts";
import type { Place } from "./place.ts";
import { entriesIn, type Pids, recorded, run } from "./project.ts";

export interface Scene {
  readonly chance: Chance;
  readonly running: Running;
  readonly place: Place;
  readonly metadata: MetadataServer;
  readonly train: () => Running;
  readonly env: NodeJS.ProcessEnv;
  /** Checkpoints that were damaged, by name. */
  readonly damaged: Set<string>;
  readonly say: (text: string) => void;
}

export interface Action {
  readonly kind: string;
  /** How often it is drawn. */
  readonly weight: number;
  /** What the attempt's end may be called after it. */
  readonly classes: readonly FailureClass[];
  /** Does it; `false` where there was nothing to do it to. */
  readonly act: (scene: Scene) => Promise<boolean>;
}

function send(pid: number | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

const signalled =
  (of: (pids: Pids) => number | undefined, signal: NodeJS.Signals) =>
  async ({ place }: Scene): Promise<boolean> =>
    send(of(await recorded(await place.scratch())), signal);

const group = (pid: number | undefined) => (pid === undefined ? undefined : -pid);

/** Nobody can tell more of a process that was killed than that something sent it a signal. */
const killed = ["unknown", "host-terminated-other", "interrupted", "user-exception"] as const;

/** What is done to the processes of a run. */
const actions: readonly Action[] = [
  {
    kind: "SIGKILL of the agent",
    weight: 3,
    classes: killed,
    act: signalled(({ agent }) => agent, "SIGKILL"),
  },
  {
    kind: "SIGKILL of the trainer",
    weight: 3,
    classes: killed,
    act: signalled(({ trainer }) => trainer, "SIGKILL"),
  },
  {
    kind: "SIGKILL of all of an attempt",
    weight: 3,
    classes: killed,
    act: async ({ place }) => {
      const { agent, trainer } = await recorded(await place.scratch());
      return [send(group(trainer), "SIGKILL"), send(group(agent), "SIGKILL")].includes(true);
    },
  },
  {
    kind: "SIGKILL of the runner",
    weight: 2,
    classes: ["interrupted"],
    act: async ({ running }) => running.child.kill("SIGKILL"),
  },
  {
    kind: "Ctrl-C",
    weight: 1,
    classes: ["interrupted"],
    act: async ({ running }) => running.child.kill("SIGINT"),
  },
  {
    kind: "SIGTERM of the agent",
    weight: 2,
    classes: ["interrupted"],
    act: signalled(({ agent }) => agent, "SIGTERM"),
  },
  {
    kind: "hang (SIGSTOP of the trainer)",
    weight: 2,
    classes: ["stalled"],
    act: signalled(({ trainer }) => trainer, "SIGSTOP"),
  },
  {
    kind: "frozen agent (SIGSTOP, SIGCONT)",
    weight: 2,
    classes: [],
    act: async ({ place, chance }) => {
      const { agent } = await recorded(await place.scratch());
      if (!send(agent, "SIGSTOP")) return false;
      await sleep(chance.between("frozen", 200, 2500));
      send(agent, "SIGCONT");
      return true;
    },
  },
  {
    kind: "reclaim with notice",
    weight: 2,
    classes: ["spot-reclaim"],
    act: async ({ place, metadata, running }) => {
      const { agent } = await recorded(await place.scratch());
      if (agent === undefined) return false;
      metadata.notice(120);
      // It is looked for every 5 s; the next host is another one.
      for (let look = 0; look < 80 && running.child.exitCode === null; look += 1) {
        if ((await recorded(await place.scratch())).agent !== agent) break;
        await sleep(100);
      }
      metadata.set("spot/instance-action", undefined);
      return true;
    },
  },
  {
    kind: "damage, and SIGKILL of the agent",
    weight: 4,
    classes: [...killed, "checkpoint-corrupt"],
    act: async (scene) => {
      const { place, chance, damaged } = scene;
      if (place.checkpoints === undefined) return false;
      const kept = (await entriesIn(place.address)).at(-1)?.state.kept ?? [];
      // One is left whole, so that the run need not be begun again.
      if (kept.length < 2) return false;
      const done = damage(join(place.checkpoints, run), kept.slice(-1), chance);
      if (done === undefined) return false;
      damaged.add(done.name);
      scene.say(`${done.kind}: ${done.name}`);
      send((await recorded(await place.scratch())).agent, "SIGKILL");
      return true;
    },
  },
  {
    kind: "two runners",
    weight: 1,
    classes: ["interrupted"],
    act: async ({ train, say }) => {
      const second = await train().done;
      say(`the second runner ended with ${second.code}`);
      return true;
    },
  },
  {
    kind: "pawl stop",
    weight: 1,
    classes: ["interrupted"],
    act: async ({ place, env, say }) => {
      const { code } = await startPawl(["stop", run, "--store", place.address], { env }).done;
      say(`pawl stop ended with ${code}`);
      return true;
    },
  },
];

export const drawAction = (chance: Chance): Action =>
  chance.weighted("which action", actions, ({ weight }) => weight);
