import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as z from "zod";
import type { Measured } from "../../core/measured.ts";
import type { EpochPlan, EpochReport } from "../../core/report.ts";
import { command, installation } from "../../scripts/installed.ts";
import type { Decider } from "./decider.ts";

export const adaptdlVersion = "adaptdl==0.2.11";
/** Its goodput code needs no more of what it depends on; newer releases of numpy have no `np.int`. */
const requirements = ["autograd==1.5", "numpy==1.23.5", "scipy==1.10.1"];

const Answer = z.union([
  z.strictObject({
    atomic: z.int().min(1),
    accumulation: z.int().min(0),
    speedup: z.number(),
    perf: z.array(z.number()).length(7),
  }),
  z.strictObject({ error: z.string() }),
]);
export type AdaptdlAnswer = Exclude<z.output<typeof Answer>, { error: string }>;

/** One answer of `ask-adaptdl.py`; throws where adaptdl's code did. */
export function parseAnswer(line: string): AdaptdlAnswer {
  const answer = Answer.parse(JSON.parse(line));
  if ("error" in answer) throw new Error(`adaptdl: ${answer.error}`);
  return answer;
}

/** What adaptdl's code is asked with: the words of its `_metrics.py`. */
export interface AdaptdlQuestion {
  readonly rule: AdaptdlRule;
  readonly profile: readonly {
    readonly atomic: number;
    readonly optimSeconds: number;
    readonly optimCount: number;
    readonly accumSeconds: number;
    readonly accumCount: number;
  }[];
  readonly sqr: number;
  readonly var: number;
  readonly initial: number;
  readonly max: number;
  readonly bounds: readonly [number, number];
  readonly now: { readonly atomic: number; readonly accumulation: number };
}

/** adaptdl's goodput code in a Python process of its own, as it comes from PyPI. */
export class Adaptdl {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #said = "";

  private constructor(python: string) {
    const child = spawn(python, [join(import.meta.dirname, "ask-adaptdl.py")], {
      stdio: ["pipe", "pipe", "pipe"],
      // One thread: it is to compete with the training for as little as it can.
      env: { ...process.env, OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1" },
    });
    this.#process = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-2000);
    });
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Throws where it cannot be installed: without Python 3.8 to 3.11, or without PyPI. */
  static async start(): Promise<Adaptdl> {
    const folder = await installation("adaptdl", [adaptdlVersion, ...requirements], async (folder) => {
      await command("python3.11", ["-m", "venv", folder]);
      const pip = (...args: string[]) =>
        command(join(folder, "bin", "python"), ["-m", "pip", "install", "-q", ...args]);
      await pip(...requirements);
      await pip("--no-deps", adaptdlVersion);
    });
    const started = new Adaptdl(join(folder, "bin", "python"));
    // The first answer takes longer: what it imports is loaded then.
    await started.ask({
      rule: "optimize",
      profile: [{ atomic: 32, optimSeconds: 1, optimCount: 1, accumSeconds: 0, accumCount: 0 }],
      sqr: 1,
      var: 1,
      initial: 32,
      max: 64,
      bounds: [32, 64],
      now: { atomic: 32, accumulation: 0 },
    });
    return started;
  }

  async ask(question: AdaptdlQuestion): Promise<AdaptdlAnswer> {
    this.#process.stdin?.write(`${JSON.stringify(question)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`adaptdl's process ended:\n${this.#said}`);
    return parseAnswer(line.value);
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "close");
    this.#process.stdin?.end();
    await ended;
  }
}

/**
 * `optimize`: as adaptdl does it. On one replica it accumulates any batch larger than the first one from two parts or more.
 * `whole`: the best of the same candidates by its goodput function, each in one piece, which is more than adaptdl does.
 */
export type AdaptdlRule = "optimize" | "whole";

interface AdaptdlBounds {
  readonly initial: number;
  readonly max: number;
  /** Examples that fit into memory; absent: `max`. The fewest at once are a quarter of `initial`, as in adaptdl's own examples. */
  readonly mostAtOnce?: number;
  readonly rule: AdaptdlRule;
}

/** `GradientNoiseScale._smoothing` of adaptdl. */
const smoothing = 0.999;

interface Average {
  readonly biased: number;
  readonly unbias: number;
}

/**
 * adaptdl's decisions on one replica: its estimate of the gradient's noise (`gradient_noise_scale.py`) and its AdaScale
 * (`scaling_rules.py`) from the same norms, its goodput code for the size. It fits its model each 30 s and asks it at the beginning
 * of a pass over the data; here both happen whenever Pawl is asked, and cost nothing.
 */
export class AdaptdlDecider implements Decider {
  readonly isFree = true;
  readonly reasons: string[] = [];
  readonly #code: Pick<Adaptdl, "ask">;
  readonly #initial: number;
  readonly #max: number;
  readonly #mostAtOnce: number;
  readonly #rule: AdaptdlRule;
  #now = { atomic: 0, accumulation: 0 };
  /** Of whole epochs. */
  #known = nothingKnown();

  constructor(code: Pick<Adaptdl, "ask">, { initial, max, mostAtOnce = max, rule }: AdaptdlBounds) {
    this.#code = code;
    this.#initial = initial;
    this.#max = max;
    this.#mostAtOnce = mostAtOnce;
    this.#rule = rule;
    this.#now = { atomic: initial, accumulation: 0 };
  }

  async plan(epoch: number): Promise<EpochPlan> {
    return this.#planned(epoch, this.#known);
  }

  async consult(epoch: number, measured: Measured): Promise<EpochPlan> {
    return this.#planned(epoch, folded(this.#known, measured, this.#initial));
  }

  async report({ measured }: EpochReport): Promise<void> {
    if (measured !== undefined) this.#known = folded(this.#known, measured, this.#initial);
  }

  async close(): Promise<void> {}

  async #planned(epoch: number, known: Known): Promise<EpochPlan> {
    const sqr = Math.max(0, averaged(known.sqr) ?? 1);
    const noise = Math.max(1e-6, averaged(known.var) ?? 0);
    if (known.sqr !== undefined && known.profile.size > 0) {
      const before = this.#now;
      const { atomic, accumulation, speedup } = await this.#code.ask({
        rule: this.#rule,
        profile: [...known.profile].map(([size, { seconds, passes, steps }]) => ({
          atomic: size,
          optimSeconds: (seconds / passes) * steps,
          optimCount: steps,
          accumSeconds: (seconds / passes) * (passes - steps),
          accumCount: passes - steps,
        })),
        sqr,
        var: noise,
        initial: this.#initial,
        max: this.#max,
        bounds: [Math.max(1, Math.floor(this.#initial / 4)), this.#mostAtOnce],
        now: before,
      });
      this.#now = { atomic, accumulation };
      if (atomic !== before.atomic || accumulation !== before.accumulation)
        this.reasons.push(
          `epoch ${epoch}: ${accumulation + 1} times ${atomic}, speedup ${speedup.toFixed(2)}, ` +
            `noise scale ${Math.round((noise / sqr) * this.#initial)}`,
        );
    }
    const { atomic, accumulation } = this.#now;
    const batchSize = atomic * (accumulation + 1);
    const scale = batchSize / this.#initial;
    return {
      epoch,
      seed: 0,
      batchSize,
      microBatchSize: atomic,
      accumulation: accumulation + 1,
      learningRateScale: (noise + sqr) / (noise / scale + sqr),
      measure: "norms",
      checkpoint: false,
    };
  }
}

interface Known {
  readonly sqr: Average | undefined;
  readonly var: Average | undefined;
  readonly profile: ReadonlyMap<number, { seconds: number; passes: number; steps: number }>;
}

const nothingKnown = (): Known => ({ sqr: undefined, var: undefined, profile: new Map() });

const averaged = (average: Average | undefined): number | undefined =>
  average === undefined ? undefined : average.biased / average.unbias;

/** `_update_avg` of adaptdl, for `steps` steps of the same value. */
function updated(
  average: Average = { biased: 0, unbias: 0 },
  value: number,
  theta: number,
  steps: number,
): Average {
  const factor = theta ** steps;
  return {
    biased: factor * average.biased + (1 - factor) * value,
    unbias: factor * average.unbias + (1 - factor),
  };
}

/** `known` with these stretches in it. */
function folded(known: Known, { stretches }: Measured, initial: number): Known {
  let { sqr, var: noise } = known;
  const profile = new Map([...known.profile].map(([atomic, times]) => [atomic, { ...times }]));
  for (const { batchSize, microBatchSize, timed, norms } of stretches) {
    if (timed !== undefined && typeof timed.stepSeconds === "number") {
      const passes = Math.ceil(batchSize / microBatchSize);
      const times = profile.get(microBatchSize) ?? { seconds: 0, passes: 0, steps: 0 };
      times.seconds += timed.stepSeconds * timed.steps;
      times.passes += timed.steps * passes;
      times.steps += timed.steps;
      profile.set(microBatchSize, times);
    }
    if (norms === undefined) continue;
    const [local, total] = [Number(norms.small.squaredNorm), Number(norms.large.squaredNorm)];
    if (!Number.isFinite(local) || !Number.isFinite(total)) continue;
    const count = norms.large.examples / norms.small.examples;
    const scale = norms.large.examples / initial;
    const theta = smoothing ** scale;
    sqr = updated(sqr, (count * total - local) / (count - 1), theta, norms.steps);
    noise = updated(noise, ((local - total) * scale) / (count - 1), theta, norms.steps);
  }
  return { sqr, var: noise, profile };
}
