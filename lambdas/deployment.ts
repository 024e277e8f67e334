import { Logger } from "@aws-lambda-powertools/logger";
import { Aws } from "../aws/aws.ts";
import { openJournal } from "../store/journal.ts";
import { openStore } from "../store/open-store.ts";
import { type FunctionEnvironment, readFunctionEnvironment } from "./function-environment.ts";
import { metricsOf } from "./metrics.ts";
import type { DecidingPorts } from "./ports.ts";

/** What a function has once it is set up: for all calls of its process. */
export interface Deployment {
  readonly environment: FunctionEnvironment;
  readonly aws: Aws;
  readonly ports: DecidingPorts;
  readonly logger: Pick<Logger, "info" | "error">;
}

const serviceName = "pawl";

export const openLogger = (): Logger => new Logger({ serviceName });

/** Errors: INTERNAL, naming a variable that is missing or wrong; those of `openStore`. */
export async function openDeployment(env: NodeJS.ProcessEnv, logger: Logger): Promise<Deployment> {
  const environment = readFunctionEnvironment(env);
  const { offers, prices, limits } = environment;
  const store = await openStore(environment.store);
  const count = metricsOf(environment);
  return {
    environment,
    aws: new Aws(),
    logger,
    ports: {
      store,
      journal: openJournal(store),
      now: () => new Date(),
      random: Math.random,
      limits,
      onEntry: (entry, before) => {
        const { run, sequence, decision } = entry;
        const { kind, reason } = decision;
        logger.info(reason, { run, sequence, kind, event: entry.event.type });
        count(entry, before);
      },
      ...(offers === undefined ? {} : { offers }),
      ...(prices === undefined ? {} : { prices }),
    },
  };
}
