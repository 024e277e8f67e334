// How large and how quick are the functions, and what does an epoch cost of the control plane?
//
//   bundles   the functions as a deployment bundles them
//   starts    each function in a fresh process, ten times: init is from the process's start to the bundle being loaded, the first
//             answer is what a call takes after that (Open begins a run, Review takes a claim) over a real S3 server here
//   epochs    two runs of the embedded runner with real agents over that server: states entered, decisions, and requests
//             counted at the server, from the commit of an early epoch to that of a late one
//   cost      those counts for 1,000 epochs, with what a call takes here, at list prices
//
// A machine is not Lambda: Lambda's processor is slower, and S3 further away. Counts are exact; times are this machine's, and grow
// with what else it does: beside init stands what it takes of a processor, which does so less. The runner here looks at the journal
// for `pawl stop`, and holds a lease; on AWS nobody does, so what the journal is asked is counted for each call by itself.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { size, table } from "../cli/format.ts";
import { credentials as serverCredentials, startServers } from "../infra-test/servers/server-group.ts";
import { startVersitygw } from "../infra-test/servers/versitygw.ts";
import { bundles } from "./cloud/bundles.ts";
import { type Call, costOfThousand, dataRequests, journalRequests, priceList } from "./cloud/cost.ts";
import { countingProxy } from "./cloud/counting-proxy.ts";
import { countEpochs, type EpochCounts } from "./cloud/epochs.ts";
import { coldStarts, lambdaEnvironment, lastWords } from "./cloud/functions.ts";
import { median, quantile } from "./statistics.ts";

const { values: options } = parseArgs({
  options: { json: { type: "boolean", default: false }, times: { type: "string", default: "10" } },
});
const times = Number(options.times);
const here = join(import.meta.dirname, "cloud");
const say = (what: string) => console.error(`measuring ${what} …`);
const rounded = (value: number, digits = 3): number => Number(value.toPrecision(digits));

/** What is aimed at. */
const aims = {
  initMs: 200,
  coldTransitions: 3,
  coldPutOrList: 4,
  warmTransitions: 0,
  coldUsd: 0.12,
} as const;

const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
const servers = await startServers(async (start) => {
  const { address } = await start("versitygw", (own) => startVersitygw(own, serverCredentials));
  return { BENCH_S3: address };
});
try {
  const direct = servers.env.BENCH_S3 ?? "";
  await using proxy = await countingProxy(direct);
  Object.assign(process.env, servers.env, { AWS_ENDPOINT_URL: proxy.address });
  delete process.env.AWS_PROFILE;
  const buckets = { cold: "cold-epochs", warm: "warm-epochs", starts: "starts" };
  const client = new S3Client({ endpoint: direct, forcePathStyle: true });
  for (const Bucket of Object.values(buckets)) await client.send(new CreateBucketCommand({ Bucket }));

  say("the bundles");
  const made = await bundles(join(folder, "bundles"));
  say(`${times} starts of each function`);
  const starts = await coldStarts(made, buckets.starts, times);
  say("the functions' decisions");
  const decide = <Output>(what: "times" | "requests", schema: z.ZodType<Output>) =>
    lastWords(
      [join(here, "decide.ts"), join(folder, "bundles"), buckets.starts, "20", what],
      { ...lambdaEnvironment("review", buckets.starts), AWS_ENDPOINT_URL: direct },
      z.record(z.string(), z.array(schema)),
    );
  const milliseconds = await decide("times", z.number());
  const requests = await decide("requests", z.object({ putOrList: z.number(), get: z.number() }));
  say("a run of cold epochs");
  const cold = await countEpochs(join(here, "cold"), proxy, buckets.cold);
  say("a run of warm epochs");
  const warm = await countEpochs(join(here, "warm"), proxy, buckets.warm);

  const calls = new Map(
    Object.entries(milliseconds).map(([kind, each]): [string, Call] => {
      const asked = requests[kind] ?? [];
      const [putOrList, get] = [
        median(asked.map((one) => one.putOrList)),
        median(asked.map((one) => one.get)),
      ];
      return [kind, { milliseconds: rounded(median(each)), requests: { putOrList, get } }];
    }),
  );
  const epochs = { cold, warm };
  const costs = { cold: costOfThousand(cold, calls), warm: costOfThousand(warm, calls) };
  const functions = made.map(({ name, bytes, gzipBytes }) => {
    const own = starts.get(name) ?? [];
    const of = (values: readonly number[]) =>
      values.length === 0
        ? undefined
        : { median: rounded(median(values)), p90: rounded(quantile(values, 0.9)) };
    return {
      name,
      bytes,
      gzipBytes,
      initMs: of(own.map(({ initMs }) => initMs)),
      importMs: of(own.map(({ importMs }) => importMs)),
      initCpuMs: of(own.map(({ initCpuMs }) => initCpuMs)),
      firstAnswerMs: of(own.flatMap(({ firstMs }) => firstMs ?? [])),
    };
  });
  const reached = [
    {
      what: "init of the slowest function, median, ms",
      is: Math.max(...functions.map(({ initMs }) => initMs?.median ?? 0)),
      aim: aims.initMs,
    },
    { what: "transitions of a cold epoch", is: cold.transitions, aim: aims.coldTransitions },
    {
      what: "PUT and LIST of a cold epoch, journal",
      is: journalRequests(cold, calls).putOrList,
      aim: aims.coldPutOrList,
    },
    { what: "transitions of a warm epoch", is: warm.transitions, aim: aims.warmTransitions },
    { what: "USD for 1,000 cold epochs, control plane", is: costs.cold.controlPlane, aim: aims.coldUsd },
  ].map((each) => ({ ...each, is: rounded(each.is), met: each.is <= each.aim }));

  if (options.json) {
    console.log(
      JSON.stringify({
        functions,
        calls: Object.fromEntries(calls),
        epochs,
        costs,
        priceList,
        aims: reached,
      }),
    );
  } else {
    const figure = (of: { median: number; p90: number } | undefined) =>
      of === undefined ? "" : `${of.median} (${of.p90})`;
    const counts = (
      of: Readonly<Record<string, number>>,
      other: Readonly<Record<string, number>>,
      head: string,
    ) =>
      table([
        [head, "cold", "warm"],
        ...[...new Set([...Object.keys(of), ...Object.keys(other)])]
          .sort()
          .map((kind) => [kind, String(rounded(of[kind] ?? 0)), String(rounded(other[kind] ?? 0))]),
      ]);
    const usd = (value: number) => value.toFixed(4);
    console.log(
      [
        table([
          ["function", "bundle", "gzip", "init ms (p90)", "of it loading", "init CPU ms", "first answer ms"],
          ...functions.map(({ name, bytes, gzipBytes, initMs, importMs, initCpuMs, firstAnswerMs }) => [
            name,
            size(bytes),
            size(gzipBytes),
            figure(initMs),
            figure(importMs),
            figure(initCpuMs),
            figure(firstAnswerMs),
          ]),
        ]),
        table([
          ["a call, warm", "median ms", "journal: PUT and LIST", "GET and HEAD"],
          ...[...calls].map(([kind, { milliseconds, requests }]) =>
            [kind, milliseconds, requests.putOrList, requests.get].map(String),
          ),
        ]),
        counts(cold.decisions, warm.decisions, "calls of functions an epoch"),
        counts(cold.requests, warm.requests, "all requests an epoch, here"),
        table([
          ["an epoch", "cold", "warm"],
          ["state transitions", String(rounded(cold.transitions)), String(rounded(warm.transitions))],
          ...(
            [
              ["journal, PUT and LIST", (each) => journalRequests(each, calls).putOrList],
              ["journal, GET and HEAD", (each) => journalRequests(each, calls).get],
              ["the run's data, PUT and LIST", (each) => dataRequests(each).putOrList],
              ["the run's data, GET and HEAD", (each) => dataRequests(each).get],
            ] as const satisfies readonly (readonly [string, (each: EpochCounts) => number])[]
          ).map(([name, of]) => [name, String(rounded(of(cold))), String(rounded(of(warm)))]),
        ]),
        table([
          [`USD for 1,000 epochs (list prices of ${priceList.asOf})`, "cold", "warm"],
          ...(
            [
              ["state transitions", "transitions"],
              ["the journal's requests", "journal"],
              ["functions", "functions"],
              ["control plane, in all", "controlPlane"],
              ["beside it: requests for the run's data", "data"],
            ] as const
          ).map(([name, key]) => [name, usd(costs.cold[key]), usd(costs.warm[key])]),
        ]),
        table([
          ["aim", "is", "at most", ""],
          ...reached.map(({ what, is, aim, met }) => [
            what,
            String(is),
            String(aim),
            met ? "met" : "NOT MET",
          ]),
        ]),
      ].join("\n\n"),
    );
  }
} finally {
  await servers.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
