import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setImmediate as nextTurn } from "node:timers/promises";

/** What the proxy does to one request instead of passing it on and its answer back. */
export type Fault =
  /** Answers in the server's place; the request is read to its end, and goes no further. */
  | { readonly kind: "answer"; readonly status: number; readonly code: string }
  /** The connection breaks when that much of the request's body has come; the server sees it break too. */
  | { readonly kind: "break the request"; readonly afterBytes: number }
  /** The connection breaks when that much of the answer's body has been sent. */
  | { readonly kind: "break the answer"; readonly afterBytes: number }
  /** The server does what it is asked, and its answer is lost. */
  | { readonly kind: "lose the answer" }
  /** The connection breaks at once; the server gets the request all the same, somewhat later. */
  | { readonly kind: "come late" }
  | { readonly kind: "never answer" }
  /** The answer comes a few bytes at a time. */
  | { readonly kind: "answer slowly" }
  | { readonly kind: "damage the request" }
  | { readonly kind: "damage the answer" }
  /** Passes the request on when the promise is kept, if its sender still waits. */
  | { readonly kind: "hold"; readonly until: Promise<unknown> };

export interface SeenRequest {
  /** `HeadObject`, `UploadPart` … */
  readonly operation: string;
  /** From 0. */
  readonly number: number;
  readonly path: string;
}

/** Decides about each request in turn. */
type Script = (request: SeenRequest) => Fault | undefined;

export interface FaultyProxy {
  readonly endpoint: string;
  /** From now on; requests are counted from 0 again. */
  play(script: Script): void;
  /** Those since `play`, in order. */
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

const operations: Readonly<Record<string, string>> = {
  "GET list-type": "ListObjectsV2",
  "GET ": "GetObject",
  "HEAD ": "HeadObject",
  "PUT ": "PutObject",
  "DELETE ": "DeleteObject",
  "POST uploads": "CreateMultipartUpload",
  "PUT uploadId": "UploadPart",
  "POST uploadId": "CompleteMultipartUpload",
  "DELETE uploadId": "AbortMultipartUpload",
};

function operationOf({ method, url = "" }: IncomingMessage): string {
  const query = new URL(url, "http://proxy").searchParams;
  const sign = ["list-type", "uploads", "uploadId"].find((name) => query.has(name)) ?? "";
  return operations[`${method} ${sign}`] ?? `${method} ${url}`;
}

const bodyOf = (fault: Fault & { kind: "answer" }) =>
  `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>a fault of the test</Message></Error>`;

/** Changes one byte in the middle of what passes, if there is any. */
async function* damaged(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let done = false;
  for await (const chunk of chunks) {
    if (!done && chunk.byteLength > 0) {
      const at = chunk.byteLength >> 1;
      chunk[at] = (chunk[at] ?? 0) ^ 1;
      done = true;
    }
    yield chunk;
  }
}

/** As many bytes, then an error, by which both connections break. */
async function* breaking(chunks: AsyncIterable<Buffer>, afterBytes: number): AsyncGenerator<Buffer> {
  let left = afterBytes;
  for await (const chunk of chunks) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left <= 0) break;
  }
  throw new Error("the connection breaks here");
}

async function* inCrumbs(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    const crumb = Math.max(1, chunk.byteLength >> 6);
    for (let at = 0; at < chunk.byteLength; at += crumb) {
      yield chunk.subarray(at, at + crumb);
      await nextTurn();
    }
  }
}

type Pipe = (chunks: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

const asItIs: Pipe = (chunks) => chunks;

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const gathered: Buffer[] = [];
  for await (const chunk of chunks) gathered.push(chunk);
  return Buffer.concat(gathered);
}

/** Passes one request on to the server at `target`; gives its answer. */
async function forward(
  target: URL,
  from: IncomingMessage,
  body: AsyncIterable<Buffer>,
): Promise<IncomingMessage> {
  const { method, url, rawHeaders } = from;
  // The signature is of the Host header that the client wrote, so it stays.
  const to = request({
    host: target.hostname,
    port: target.port,
    method,
    path: url,
    headers: rawHeaders,
    agent: false,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    to.once("response", resolve).on("error", reject);
  });
  // A server may answer before it has read all; then the rest is nobody's.
  pipeline(body, to).catch(() => {});
  return await answered;
}

async function passBack(answer: IncomingMessage, to: ServerResponse, pipe: Pipe): Promise<void> {
  to.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
  await pipeline(pipe(answer), to);
}

/** Plays `fault` on one request. A connection that is to break is destroyed by throwing. */
async function play(
  fault: Fault | undefined,
  target: URL,
  from: IncomingMessage,
  to: ServerResponse,
): Promise<void> {
  switch (fault?.kind) {
    case undefined:
      await passBack(await forward(target, from, from), to, asItIs);
      break;
    case "answer":
      await all(from);
      to.writeHead(fault.status, { "content-type": "application/xml" });
      to.end(from.method === "HEAD" ? undefined : bodyOf(fault));
      break;
    case "break the request":
      await forward(target, from, breaking(from, fault.afterBytes));
      break;
    case "break the answer":
      await passBack(await forward(target, from, from), to, (chunks) => breaking(chunks, fault.afterBytes));
      break;
    case "lose the answer":
      await all(await forward(target, from, from));
      throw new Error(fault.kind);
    case "come late": {
      const body = await all(from);
      to.destroy();
      for (let turn = 0; turn < 20; turn += 1) await nextTurn();
      await all(await forward(target, from, once(body)));
      break;
    }
    case "never answer":
      await all(from);
      await closed(to);
      break;
    case "answer slowly":
      await passBack(await forward(target, from, from), to, inCrumbs);
      break;
    case "damage the request":
      await passBack(await forward(target, from, damaged(from)), to, asItIs);
      break;
    case "damage the answer":
      await passBack(await forward(target, from, from), to, damaged);
      break;
    case "hold":
      await Promise.race([fault.until, closed(to)]);
      if (to.closed) break;
      await passBack(await forward(target, from, from), to, asItIs);
  }
}

const closed = async (to: ServerResponse): Promise<void> => {
  if (!to.closed) await new Promise((resolve) => to.once("close", resolve));
};

async function* once(body: Buffer): AsyncGenerator<Buffer> {
  yield body;
}

/** A proxy in front of a real S3 server, on a port of its own, that does to requests what a script says. */
export async function startFaultyProxy(server: string): Promise<FaultyProxy> {
  const target = new URL(server);
  let script: Script = () => undefined;
  let seen: SeenRequest[] = [];
  const underWay = new Set<Promise<void>>();
  const proxy: Server = createServer((from, to) => {
    const each = { operation: operationOf(from), number: seen.length, path: from.url ?? "" };
    seen.push(each);
    // Kept here: a request that is read to its end may have let go of it.
    const { socket } = from;
    const playing = play(script(each), target, from, to).catch(() => {
      socket.destroy();
    });
    underWay.add(playing);
    void playing.finally(() => underWay.delete(playing));
  });
  proxy.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    play(next) {
      script = next;
      seen = [];
    },
    get seen() {
      return seen;
    },
    async close() {
      const closed = new Promise((resolve) => proxy.close(resolve));
      proxy.closeAllConnections();
      await Promise.all(underWay);
      await closed;
    },
  };
}
