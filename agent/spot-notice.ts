import * as z from "zod";
import { AttemptError } from "./attempt-error.ts";
import type { Departure } from "./departure.ts";
import { InstanceMetadata } from "./instance-metadata.ts";

/** How often the instance is asked, in milliseconds; as AWS recommends. */
const pollMilliseconds = 5000;

/** A notice comes two minutes before; a clock that is wrong must not promise more. */
const mostSeconds = 120;

const noticePath = "spot/instance-action";
const rebalancePath = "events/recommendations/rebalance";

const Notice = z.object({ action: z.string().min(1).max(50), time: z.iso.datetime({ offset: true }) });
type Notice = z.infer<typeof Notice>;

/**
 * Asks the instance, until `end` is called, whether it is to be reclaimed, and asks `departure` to leave when it is. Nothing
 * that fails here ends an attempt: it is asked again. `base` is where the instance's metadata is.
 */
export function watchForReclaim(
  base: string,
  departure: Departure,
  everyMilliseconds = pollMilliseconds,
): { end(): void } {
  const metadata = new InstanceMetadata(base);
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let recommended = false;
  const look = async (): Promise<void> => {
    try {
      const notice = parse(await metadata.get(noticePath));
      if (notice !== undefined) {
        ask(departure, notice, await instanceOf(metadata));
        ended = true;
      } else if (!recommended && (await metadata.get(rebalancePath)) !== undefined) {
        recommended = true;
        departure.recommendSaving();
      }
    } catch {
      // Its metadata may be late, or not be there at all.
    }
    if (!ended) timer = setTimeout(look, everyMilliseconds);
  };
  void look();
  return {
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

function parse(text: string | undefined): Notice | undefined {
  return text === undefined ? undefined : Notice.parse(JSON.parse(text));
}

/** Which instance this is: nice to know, and not worth waiting for. */
const instanceOf = (metadata: InstanceMetadata): Promise<string | undefined> =>
  metadata.get("instance-id").then(
    (id) => (id === undefined || !/^i-[0-9a-f]{1,40}$/.test(id) ? undefined : id),
    () => undefined,
  );

function ask(departure: Departure, notice: Notice, instance: string | undefined): void {
  const text = `${noticePath}: ${JSON.stringify(notice)}`;
  const error = new AttemptError(
    "spot-reclaim",
    `spot notice${instance === undefined ? "" : ` for ${instance}`}`,
    {
      confidence: "high",
      signs: [{ where: "instance-metadata", text }],
      ...(instance === undefined ? {} : { instance }),
    },
  );
  // Hibernation begins with its notice.
  if (notice.action === "hibernate") departure.ask(error);
  else departure.ask(error, Math.min(mostSeconds, (Date.parse(notice.time) - Date.now()) / 1000));
}
