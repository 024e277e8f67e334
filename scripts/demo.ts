// The demo: the digits example, trained by the real system on this machine, with one attempt's host taken away in
// mid-training. Run again after any kill it goes on; run again after its end it begins another run.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { processConsole } from "../cli/console.ts";
import { follow } from "../cli/follow.ts";
import { readJobFile } from "../cli/job-file.ts";
import { renderError } from "../cli/render-error.ts";
import { chooseRun } from "../cli/runs.ts";
import { exitCodes, PawlError } from "../core/errors.ts";
import { openJournal } from "../store/journal.ts";
import { openStore } from "../store/open-store.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const console_ = processConsole();

/** The host goes away in the epoch after this one, the first time that it is trained. */
const lastEpochBeforeReclaim = 3;

async function demo() {
  const file = await readJobFile(join(root, "examples", "digits", "pawl.yaml"));
  const store = await openStore(join(root, ".pawl"));
  const journal = openJournal(store);
  let run = await chooseRun(journal, file.job.name, { name: undefined, another: false });
  const newest = await journal.newest(run);
  if (newest?.state.status === "finished") {
    run = await chooseRun(journal, file.job.name, { name: undefined, another: true });
  }
  const code = await follow({
    store,
    run,
    job: file.job,
    given: { job: file.input, source: { folder: file.folder }, acceptChanges: true },
    options: {},
    console: console_,
    onEntry: ({ event, state }, batch) => {
      if (
        event.type !== "report" ||
        event.report.epoch !== lastEpochBeforeReclaim ||
        state.failures.total > 0
      )
        return;
      const middle = event.report.seconds * 500;
      setTimeout(() => {
        console_.err("          (the demo takes the host away now, as a spot reclaim would)");
        batch.reclaim("i-0123456789abcdef0");
      }, middle);
    },
  });
  if (code === exitCodes.done) console_.err(`\nSee it again: npx pawl show ${run}`);
  return code;
}

try {
  process.exitCode = await demo();
} catch (error) {
  renderError(error, console_, false);
  process.exitCode = error instanceof PawlError ? error.exitCode : exitCodes.toolError;
}
