import type { EpochCounts } from "./epochs.ts";

/** List prices in us-east-1, in USD, of the month named. */
export const priceList = {
  asOf: "2025-08",
  /** Step Functions, standard workflows: a state transition, the first 4,000 of a month free and counted here all the same. */
  transition: 0.025 / 1000,
  /** S3 Standard: PUT, COPY, POST or LIST; GET or HEAD. DELETE is free. */
  put: 0.005 / 1000,
  get: 0.0004 / 1000,
  /** Lambda on arm64. */
  call: 0.2 / 1_000_000,
  gibibyteSecond: 0.0000133334,
} as const;

/** What a function has, as the stack deploys it. */
const functionGibibytes = 0.5;

/** The journal is the control plane's; this is a machine of one's own's: who holds a run, and whether a server keeps to conditions. */
const notTheRuns: ReadonlySet<string> = new Set(["journal", "leases", ".conditions"]);

export interface Requests {
  /** PUT and LIST cost the same. */
  readonly putOrList: number;
  /** HEAD costs the same. */
  readonly get: number;
}

/** What one call of a function takes, by the kind of its decision. */
export interface Call {
  readonly milliseconds: number;
  /** To the journal. */
  readonly requests: Requests;
}
export type Calls = ReadonlyMap<string, Call>;

/** What an epoch's functions ask of the journal. */
export function journalRequests({ decisions }: EpochCounts, calls: Calls): Requests {
  let [putOrList, get] = [0, 0];
  for (const [kind, number] of Object.entries(decisions)) {
    const { requests } = callOf(calls, kind);
    putOrList += number * requests.putOrList;
    get += number * requests.get;
  }
  return { putOrList, get };
}

/** What an epoch asks of the store for what the run itself makes: checkpoints, manifests, records, logs. */
export function dataRequests({ requests }: EpochCounts): Requests {
  let [putOrList, get] = [0, 0];
  for (const [kind, number] of Object.entries(requests)) {
    const [part = "", type = ""] = kind.split(" ");
    if (notTheRuns.has(part)) continue;
    if (type === "PUT" || type === "LIST") putOrList += number;
    if (type === "GET") get += number;
  }
  return { putOrList, get };
}

function callOf(calls: Calls, kind: string): Call {
  const call = calls.get(kind);
  if (call === undefined) throw new Error(`nobody has measured a decision '${kind}'`);
  return call;
}

const thousand = 1000;

const usdOfRequests = ({ putOrList, get }: Requests): number =>
  thousand * (putOrList * priceList.put + get * priceList.get);

export interface Cost {
  readonly transitions: number;
  readonly journal: number;
  readonly functions: number;
  /** The three above: what it costs that somebody decides. */
  readonly controlPlane: number;
  /** Requests for checkpoints, manifests, records and logs. */
  readonly data: number;
}

/** USD for 1,000 such epochs. */
export function costOfThousand(counts: EpochCounts, calls: Calls): Cost {
  let functions = 0;
  for (const [kind, number] of Object.entries(counts.decisions)) {
    // Lambda bills whole milliseconds.
    const seconds = Math.ceil(callOf(calls, kind).milliseconds) / 1000;
    const usd = priceList.call + seconds * functionGibibytes * priceList.gibibyteSecond;
    functions += thousand * number * usd;
  }
  const transitions = thousand * counts.transitions * priceList.transition;
  const journal = usdOfRequests(journalRequests(counts, calls));
  return {
    transitions,
    journal,
    functions,
    controlPlane: transitions + journal + functions,
    data: usdOfRequests(dataRequests(counts)),
  };
}
