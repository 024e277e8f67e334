import type { ReviewReply } from "../core/answers.ts";
import { decideAnswer, decideNext } from "../core/decide.ts";
import type { ReviewEvent } from "../core/decisions/review.ts";
import type { SentEvent, TrainedEvent } from "../core/events.ts";
import { summarize } from "../core/manifest.ts";
import type { Next } from "../core/next.ts";
import { priceOf } from "../core/prices.ts";
import { AttemptRequest, TrainedRequest } from "../core/requests.ts";
import { readManifest } from "../store/checkpoints.ts";
import { deployed } from "./deployed.ts";
import { evidenceOn } from "./evidence.ts";
import { decideAndJournal } from "./journalled.ts";
import type { DecidingPorts } from "./ports.ts";

/** Answers an attempt's event: what to train next, that a checkpoint counts, or to leave. */
export const reviewAttempt =
  (ports: DecidingPorts) =>
  async (payload: unknown): Promise<ReviewReply> => {
    const { sequence, event } = AttemptRequest.parse(payload);
    const observed = await withFacts(ports, event);
    const { reply: answer, head } = await decideAndJournal(
      ports,
      event.run,
      sequence,
      async () => observed,
      decideAnswer,
    );
    if (answer.action !== "begin" || head === undefined) return { answer };
    return { answer, job: head.job, ...(head.source === undefined ? {} : { source: head.source }) };
  };

/** What is known better than by the attempt: a commit counts by what its manifest says, an instance costs by the stack's prices. */
async function withFacts(ports: DecidingPorts, event: SentEvent): Promise<ReviewEvent> {
  if (event.type === "started") {
    const price = event.instance === undefined ? undefined : priceOf(event.instance, ports.prices);
    return { ...event, ...(price === undefined ? {} : { price }) };
  }
  if (event.type !== "commit") return event;
  if (event.checkpoint === null) return { ...event, checkpoint: null };
  const manifest = await readManifest(ports.store, event.run, event.checkpoint);
  return manifest === undefined
    ? { ...event, checkpoint: null, incomplete: event.checkpoint }
    : { ...event, checkpoint: summarize(manifest) };
}

/** Answers the state machine when Train succeeded: the next segment, a fresh execution, or the end. */
const reviewTrained =
  (ports: DecidingPorts) =>
  async (payload: unknown): Promise<Next> => {
    const { trained } = TrainedRequest.parse(payload);
    const { run, generation, attempt, sequence, result } = trained;
    const { reply } = await decideAndJournal(
      ports,
      run,
      sequence,
      async (head): Promise<TrainedEvent> => {
        const ending = { gone: true, succeeded: true, batchJobId: result.jobId };
        const evidence = await evidenceOn(ports, head?.state, attempt, ending);
        return { type: "trained", run, generation, attempt, evidence, random: ports.random() };
      },
      decideNext,
    );
    return reply;
  };

/** Review is asked by attempts and by the state machine. */
export const reviewRun = (ports: DecidingPorts) => {
  const ofAttempt = reviewAttempt(ports);
  const ofMachine = reviewTrained(ports);
  return (payload: unknown): Promise<Next | ReviewReply> =>
    TrainedRequest.safeParse(payload).success ? ofMachine(payload) : ofAttempt(payload);
};

export const handler = deployed(reviewRun, ({ ports }) => ports);
