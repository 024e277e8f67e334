import * as z from "zod";
import { refused } from "./service-error.ts";

/** Tags of what has an ARN. */
export class Tags {
  readonly #exists: (arn: string) => boolean;
  readonly #tags = new Map<string, Record<string, string>>();

  constructor(exists: (arn: string) => boolean) {
    this.#exists = exists;
  }

  answer(method: string, { pathname, searchParams }: URL, body: unknown): object {
    const arn = decodeURIComponent(pathname.slice("/v1/tags/".length));
    if (!this.#exists(arn)) throw refused(`there is no resource ${arn}`);
    const tags = this.#tags.get(arn) ?? {};
    this.#tags.set(arn, tags);
    if (method === "GET") return { tags };
    if (method === "POST")
      Object.assign(tags, z.object({ tags: z.record(z.string(), z.string()) }).parse(body).tags);
    if (method === "DELETE") for (const key of searchParams.getAll("tagKeys")) delete tags[key];
    return {};
  }
}
