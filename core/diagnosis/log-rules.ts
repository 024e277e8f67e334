import { classOfAwsError } from "./aws-error.ts";
import { credentials, platform } from "./rules/aws.ts";
import { asked, crashes } from "./rules/crashes.ts";
import { data } from "./rules/data.ts";
import { commands, dependencies, programs, pulls } from "./rules/environment.ts";
import { gpuCrashes, gpuMemory, hardware } from "./rules/gpu.ts";
import { guesses, tellsOfTrouble } from "./rules/guess.ts";
import { disk, hostMemory, sharedMemory } from "./rules/memory.ts";
import { network } from "./rules/network.ts";
import type { LogRule } from "./rules/rule.ts";
import { checkpoints, helper, numeric, plainErrors, users } from "./rules/training.ts";

/** First match wins in a line, most specific first. */
const logRules: readonly LogRule[] = [
  ...helper,
  ...hardware,
  ...sharedMemory,
  ...disk,
  ...gpuMemory,
  ...hostMemory,
  ...pulls,
  ...checkpoints,
  ...credentials,
  ...users,
  ...numeric,
  ...commands,
  ...dependencies,
  ...programs,
  ...platform,
  ...data,
  ...network,
  ...gpuCrashes,
  ...crashes,
  ...asked,
  ...plainErrors,
];

/** What an error is about stands at its beginning. */
const guessCharacters = 400;

/** Advice names what could go wrong: `If you see CUDA out of memory, …`. */
const advice =
  /\b(?:if (?:you|your|it|the|this|we|there)\b[^.,]{0,40}(?:get|see|encounter|run|hit|experienc|face|fail|crash|is|goes|ever)\w*|(?:to|can|will|helps?|may|might) (?:avoid|prevent|mitigate|handle|protect|catch|detect|reduce)|in (?:the )?case of|instead of|unless|whether|for example|e\.g\.|such as)\b[^.,]{0,40}$/i;

/** What a line says of a failure's class; `undefined` where it says nothing. */
export function ruleFor(line: string): Omit<LogRule, "forms"> | undefined {
  const name = classOfAwsError(line);
  if (name !== undefined) return { class: name, weight: "cause" };
  const known = firstOf(logRules, line);
  if (known !== undefined || !tellsOfTrouble.test(line)) return known;
  return firstOf(guesses, line.slice(0, guessCharacters));
}

function firstOf(rules: readonly LogRule[], line: string): LogRule | undefined {
  return rules.find(({ forms }) =>
    forms.some((form) => {
      const found = form.exec(line);
      return found !== null && !advice.test(line.slice(0, found.index).slice(-100));
    }),
  );
}
