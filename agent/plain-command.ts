import { readFile, rm, stat } from "node:fs/promises";
import * as z from "zod";
import { GradientNorms } from "../core/measured.ts";
import { problems } from "../core/problems.ts";
import { Metrics } from "../core/report.ts";
import { AttemptError } from "./attempt-error.ts";

const MetricsFile = z.looseObject({
  examples: z.int().min(0).optional(),
  gradientNorms: GradientNorms.optional(),
});

/** Far more than 50 metrics need. */
const maxBytes = 1024 * 1024;

/** A number that is not finite, as Python's `json` and others write it; strings are matched first and stay. */
const notFinite = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

const wrong = (why: string): AttemptError =>
  new AttemptError("user-exception", `PAWL_METRICS_FILE must hold one JSON object of metrics: ${why}`);

interface LeftBehind {
  readonly metrics: Metrics;
  readonly examples?: number | undefined;
  readonly norms?: GradientNorms | undefined;
}

/**
 * What a plain command left in `PAWL_METRICS_FILE`: one JSON object of metrics, where `examples` is the number of
 * examples seen and `gradientNorms` holds squared norms at two batch sizes. No file, no metrics. Throws `user-exception` where it is
 * something else.
 */
export async function readMetricsFile(path: string): Promise<LeftBehind> {
  const text = await read(path);
  if (text === undefined) return { metrics: {} };
  let input: unknown;
  try {
    input = JSON.parse(text.replace(notFinite, (found) => (found.startsWith('"') ? found : `"${found}"`)));
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  const file = MetricsFile.safeParse(input);
  if (!file.success) throw wrong(firstProblem(file.error, input));
  const { examples, gradientNorms: norms, ...rest } = file.data;
  const metrics = Metrics.safeParse(rest);
  if (!metrics.success) throw wrong(firstProblem(metrics.error, rest));
  return { metrics: metrics.data, examples, norms };
}

/** The file's text, which is gone then: the next epoch writes its own. */
async function read(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw wrong("it is not a file");
    if (found.size > maxBytes) throw wrong(`it has ${found.size} bytes, more than ${maxBytes}`);
    const text = await readFile(path, "utf8");
    await rm(path, { force: true });
    return text;
  } catch (error) {
    if (error instanceof AttemptError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

const firstProblem = (error: z.ZodError, input: unknown): string => {
  const [first] = problems(error, input, () => ({}));
  return first === undefined ? error.message : `${first.field} ${first.message}`.trim();
};
