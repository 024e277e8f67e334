import { request as ask, createServer } from "node:http";

/**
 * Requests by the first part of their key (`journal`, `checkpoints` …) and what S3 asks for them, as one text: `journal PUT`. PUT and
 * LIST cost the same, GET a twelfth, DELETE nothing.
 */
export type Counts = ReadonlyMap<string, number>;

export interface CountingProxy extends AsyncDisposable {
  readonly address: string;
  /** What has been asked until now. */
  counts(): Counts;
}

/** Hands on to the store at `target` all that it is asked, as it is, and counts it. */
export async function countingProxy(target: string): Promise<CountingProxy> {
  const counts = new Map<string, number>();
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const kind = kindOf(incoming.method ?? "GET", incoming.url ?? "/");
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    // The headers as they came, with the host that was signed.
    const { method, url, headers } = incoming;
    const onward = ask({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port was given");
  return {
    address: `http://127.0.0.1:${bound.port}`,
    counts: () => new Map(counts),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `/bucket/journal/run/1.json` by PUT is `journal PUT`; a list is counted where its prefix is. */
function kindOf(method: string, path: string): string {
  const url = new URL(path, "http://store");
  const [, , ...key] = url.pathname.split("/");
  const isList = method === "GET" && (url.searchParams.has("list-type") || url.searchParams.has("uploads"));
  const place = isList ? (url.searchParams.get("prefix") ?? "") : key.map(decodeURIComponent).join("/");
  const group = place.split("/")[0] || "bucket";
  if (isList) return `${group} LIST`;
  if (method === "DELETE") return `${group} DELETE`;
  return `${group} ${method === "PUT" || method === "POST" ? "PUT" : "GET"}`;
}

/** What was asked between two countings. */
export const since = (before: Counts, after: Counts): Counts =>
  new Map([...after].map(([kind, number]) => [kind, number - (before.get(kind) ?? 0)]));
