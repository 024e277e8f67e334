import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { between, type Measured } from "./measured.ts";
import { here, type Pawl } from "./processes.ts";

const Moments = z.array(z.object({ begun: z.number(), reported: z.number(), saved: z.number() }));

/** The first epochs, in which code is loaded and compiled. */
const settling = 5;

/**
 * An epoch in the trainer's own process: from one epoch's hand-out to the next one's. The trainer does nothing and runs
 * at most one epoch ahead of its commits, so that this is the time from durable commit to durable commit.
 */
export async function warmEpochs(folder: string, pawl: Pawl): Promise<Measured> {
  const file = join(folder, "moments.json");
  const job = join(here, "warm", "pawl.yaml");
  await pawl(["train", job, "--store", join(folder, "warm")], { BENCH_MOMENTS: file });
  const moments = Moments.parse(JSON.parse(await readFile(file, "utf8"))).slice(settling);
  const waits = moments.slice(1).map(({ begun }, index) => begun - (moments[index]?.saved ?? begun));
  return {
    samples: between(moments.map(({ begun }) => begun)),
    parts: [
      { name: "the report, given to the agent", samples: moments.map((each) => each.reported - each.begun) },
      { name: "the checkpoint, handed over", samples: moments.map((each) => each.saved - each.reported) },
      { name: "until the epoch before is committed, and the next is handed out", samples: waits },
    ],
  };
}
