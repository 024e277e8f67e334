import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { PawlError } from "../core/errors.ts";
import { compareKeys, isKey } from "./object-key.ts";
import type { ListedObject } from "./object-store.ts";
import type { S3Requests } from "./s3-requests.ts";

/** Keys are asked for in URL encoding, since XML cannot hold every character that a key can; not every server obeys. */
const decoder = ({ EncodingType }: ListObjectsV2CommandOutput): ((text: string) => string) =>
  EncodingType === "url" ? (text) => decodeURIComponent(text.replaceAll("+", " ")) : (text) => text;

interface PageOptions {
  readonly after?: string | undefined;
  readonly delimiter?: string;
  readonly token?: string | undefined;
}

function page(
  requests: S3Requests,
  prefix: string,
  { after, delimiter, token }: PageOptions,
): Promise<ListObjectsV2CommandOutput> {
  const { Bucket, Key: Prefix } = requests.at(prefix);
  const work = async () =>
    await requests.client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix,
        EncodingType: "url",
        ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(token === undefined && after !== undefined && after !== ""
          ? { StartAfter: requests.at(after).Key }
          : {}),
      }),
    );
  return requests.run("list", prefix === "" ? undefined : prefix, work);
}

async function* pages(
  requests: S3Requests,
  prefix: string,
  options: PageOptions,
): AsyncGenerator<ListObjectsV2CommandOutput> {
  let token: string | undefined;
  do {
    const answer = await page(requests, prefix, { ...options, token });
    yield answer;
    token = answer.NextContinuationToken;
    if (answer.IsTruncated !== true) return;
  } while (token !== undefined);
  throw new PawlError("STORE_FAILED", `the server broke off a list of ${requests.place.address}`, {
    next: "Use a server that gives a continuation token with each page but the last.",
    details: { key: prefix },
  });
}

/** What others put there and is no key of ours (the console's folder markers, say) is passed over. */
export async function* listKeys(
  requests: S3Requests,
  prefix: string,
  after: string | undefined,
): AsyncGenerator<ListedObject> {
  const { length } = requests.place.prefix;
  for await (const answer of pages(requests, prefix, { after })) {
    const decode = decoder(answer);
    for (const { Key = "", Size = 0 } of answer.Contents ?? []) {
      const key = decode(Key).slice(length);
      if (isKey(key)) yield { key, sizeBytes: Size };
    }
  }
}

/** S3 has them in the order of `name/`, where `a-b` comes before `a`; so all are gathered before the first is given. */
export async function* listChildNames(requests: S3Requests, prefix: string): AsyncGenerator<string> {
  const names = new Set<string>();
  const { length } = requests.at(prefix).Key;
  for await (const answer of pages(requests, prefix, { delimiter: "/" })) {
    const decode = decoder(answer);
    for (const { Prefix = "" } of answer.CommonPrefixes ?? []) {
      const name = decode(Prefix).slice(length, -1);
      if (isKey(`${prefix}${name}`)) names.add(name);
    }
  }
  yield* [...names].sort(compareKeys);
}
