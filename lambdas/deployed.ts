import { PawlError } from "../core/errors.ts";
import type { Deployment } from "./deployment.ts";
import type { DecidingPorts } from "./ports.ts";

type Handler<Reply> = (payload: unknown) => Promise<Reply>;

/** Set by Lambda. */
const isInLambda = process.env.AWS_LAMBDA_FUNCTION_NAME !== undefined;

/**
 * A handler as Lambda runs it: `complete` makes its ports out of what every function has. It is set up once for all calls
 * of a process, in Lambda before the first one. Its failures are logged with their details, and thrown under a name by
 * which a state machine can tell them apart: `Pawl.StoreDenied` for STORE_DENIED.
 */
export function deployed<Needs extends DecidingPorts, Reply>(
  handler: (ports: Needs) => Handler<Reply>,
  complete: (deployment: Deployment) => Needs,
): Handler<Reply> {
  let ready: Promise<Handler<Reply>> | undefined;
  const setUp = async (): Promise<Handler<Reply>> => {
    // Loaded only here: whoever trains on a machine of one's own has the handlers without it.
    const { openDeployment, openLogger } = await import("./deployment.ts");
    const logger = openLogger();
    try {
      const decide = handler(complete(await openDeployment(process.env, logger)));
      return async (payload) => {
        try {
          return await decide(payload);
        } catch (error) {
          throw told(error, logger);
        }
      };
    } catch (error) {
      // The next call tries again: a store that could not be reached may be back.
      ready = undefined;
      throw told(error, logger);
    }
  };
  const prepare = () => {
    ready ??= setUp();
    return ready;
  };
  // What goes wrong with it is told by the first call.
  if (isInLambda) prepare().catch(() => {});
  return async (payload) => await (await prepare())(payload);
}

function told(error: unknown, logger: Deployment["logger"]): unknown {
  if (!(error instanceof PawlError)) {
    logger.error("the decision failed", error instanceof Error ? error : new Error(String(error)));
    return error;
  }
  const { code, message, next, details } = error;
  logger.error(message, { code, ...(next === undefined ? {} : { next }), details });
  const named = new Error(next === undefined ? message : `${message}. ${next}`, { cause: error });
  named.name = errorName(code);
  return named;
}

/** `Pawl.StoreDenied` for STORE_DENIED. */
const errorName = (code: string): string =>
  `Pawl.${code.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;
