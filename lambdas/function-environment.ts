import * as z from "zod";
import { type DecisionLimits, defaultLimits } from "../core/decision.ts";
import { PawlError } from "../core/errors.ts";
import { PriceList } from "../core/instance.ts";
import { Offers } from "../core/offers.ts";
import { functionVariables, type Offers as Offered } from "../core/stack.ts";

const { store, name, executions, offers, prices, topic, runMetrics } = functionVariables;

/** Only tests set it, on functions that are deployed: after so many turns an execution hands over. */
const turns = "PAWL_TURNS";

/** A variable that holds JSON, as `schema` has it. */
const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: "custom", message: "is not JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema);

const Variables = z.object({
  [store]: z.string().min(1),
  [name]: z.string().min(1).max(100),
  [executions]: z.string().startsWith("arn:").optional(),
  [offers]: json(Offers).optional(),
  [prices]: json(PriceList).optional(),
  [topic]: z.string().startsWith("arn:").optional(),
  [runMetrics]: z.enum(["0", "1"]).optional(),
  [turns]: z.coerce.number().pipe(z.int().min(1)).optional(),
});

/** What a function is deployed with. */
export interface FunctionEnvironment {
  /** Where runs live. */
  readonly store: string;
  /** The stack's own name for things. */
  readonly name: string;
  /** What the ARNs of the stack's executions begin with. */
  readonly executions: string | undefined;
  readonly offers: Offered | undefined;
  readonly prices: PriceList | undefined;
  /** The ARN of the topic that people are told by; only Sweep has one. */
  readonly topic: string | undefined;
  /** Whether metrics are counted for each run too. */
  readonly runMetrics: boolean;
  readonly limits: DecisionLimits;
}

/** The function's own variables. Errors: INTERNAL, naming each that is missing or wrong. */
export function readFunctionEnvironment(env: NodeJS.ProcessEnv): FunctionEnvironment {
  const parsed = Variables.safeParse(env);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => {
      const [variable, ...inside] = path.map(String);
      const at = inside.length === 0 ? "" : ` (${inside.join(".")})`;
      return env[variable ?? ""] === undefined ? `${variable} is missing` : `${variable}${at}: ${message}`;
    });
    throw new PawlError("INTERNAL", `the function's environment is wrong: ${wrong.join("; ")}`, {
      next: "Deploy the stack again.",
      details: { variables: wrong },
    });
  }
  const { data } = parsed;
  return {
    store: data[store],
    name: data[name],
    executions: data[executions],
    offers: data[offers],
    prices: data[prices],
    topic: data[topic],
    runMetrics: data[runMetrics] === "1",
    limits: { ...defaultLimits, ...(data[turns] === undefined ? {} : { turnsPerExecution: data[turns] }) },
  };
}
