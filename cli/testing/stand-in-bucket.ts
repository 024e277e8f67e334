import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

interface Kept {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const escaped = (text: string): string => encodeURIComponent(text).replaceAll("%2F", "/");

const problem = (code: string): string =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;

/** A bucket in memory that answers as S3 does what the store asks: conditional writes, reads, lists in order, removals. */
export class StandInBucket {
  readonly name: string;
  readonly #objects = new Map<string, Kept>();
  /** Whether nobody may write. */
  isReadOnly = false;

  constructor(name: string) {
    this.name = name;
  }

  keys(): string[] {
    return [...this.#objects.keys()].filter((key) => !key.startsWith(".")).sort();
  }

  remove(key: string): void {
    this.#objects.delete(key);
  }

  answer(request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): void {
    const query = new URL(request.url ?? "/", "http://stand-in").searchParams;
    const found = this.#objects.get(key);
    if (key === "" && request.method === "GET") this.#list(response, query);
    else if (request.method === "PUT") this.#put(request, response, key, body);
    else if (request.method === "DELETE") {
      this.#objects.delete(key);
      response.writeHead(204).end();
    } else if (found === undefined) {
      response.writeHead(404, { "content-type": "application/xml" });
      response.end(request.method === "HEAD" ? undefined : problem("NoSuchKey"));
    } else {
      const { bytes, etag, metadata } = found;
      response.writeHead(200, { etag, "content-length": bytes.length, ...metadata });
      response.end(request.method === "HEAD" ? undefined : bytes);
    }
  }

  #put({ headers }: IncomingMessage, response: ServerResponse, key: string, bytes: Buffer): void {
    const refuse = (status: number, code: string) =>
      response.writeHead(status, { "content-type": "application/xml" }).end(problem(code));
    const found = this.#objects.get(key);
    const wanted = headers["if-match"];
    const isRefused =
      (headers["if-none-match"] === "*" && found !== undefined) ||
      (wanted !== undefined && wanted !== found?.etag);
    if (this.isReadOnly && !key.startsWith(".")) refuse(403, "AccessDenied");
    else if (isRefused) refuse(412, "PreconditionFailed");
    else this.#keep(response, key, bytes, headers);
  }

  #keep(response: ServerResponse, key: string, bytes: Buffer, headers: IncomingMessage["headers"]): void {
    const etag = `"${createHash("md5").update(bytes).digest("hex")}"`;
    const metadata = Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith("x-amz-meta-") && typeof value === "string" ? [[name, value]] : [],
      ),
    );
    this.#objects.set(key, { bytes, etag, metadata });
    response.writeHead(200, { etag }).end();
  }

  #list(response: ServerResponse, query: URLSearchParams): void {
    const [prefix, after, delimiter] = ["prefix", "start-after", "delimiter"].map(
      (name) => query.get(name) ?? "",
    );
    const under = [...this.#objects.entries()]
      .filter(([key]) => key.startsWith(prefix ?? "") && key > (after ?? ""))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const folders = new Set<string>();
    const contents: string[] = [];
    for (const [key, { bytes, etag }] of under) {
      const rest = key.slice(prefix?.length ?? 0);
      if (delimiter !== "" && rest.includes("/")) folders.add(`${prefix}${rest.split("/")[0]}/`);
      else
        contents.push(
          `<Contents><Key>${escaped(key)}</Key><Size>${bytes.length}</Size><ETag>${etag}</ETag></Contents>`,
        );
    }
    const common = [...folders].map(
      (name) => `<CommonPrefixes><Prefix>${escaped(name)}</Prefix></CommonPrefixes>`,
    );
    response.writeHead(200, { "content-type": "application/xml" });
    response.end(
      `<?xml version="1.0"?><ListBucketResult><Name>${this.name}</Name><EncodingType>url</EncodingType><KeyCount>${contents.length}</KeyCount><IsTruncated>false</IsTruncated>${contents.join("")}${common.join("")}</ListBucketResult>`,
    );
  }
}
