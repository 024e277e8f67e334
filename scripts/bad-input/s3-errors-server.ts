import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What S3 answers, as its documentation has it (API reference, "Error responses"). */
interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** Further elements of the XML. */
  readonly more?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** By the bucket's name. */
const answers: Readonly<Record<string, Answer>> = {
  "no-such-bucket": { status: 404, code: "NoSuchBucket", message: "The specified bucket does not exist" },
  denied: { status: 403, code: "AccessDenied", message: "Access Denied" },
  "unknown-key": {
    status: 403,
    code: "InvalidAccessKeyId",
    message: "The AWS Access Key Id you provided does not exist in our records.",
    more: "<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>",
  },
  "wrong-secret": {
    status: 403,
    code: "SignatureDoesNotMatch",
    message: "The request signature we calculated does not match the signature you provided.",
    more: "<StringToSign>AWS4-HMAC-SHA256</StringToSign>",
  },
  expired: { status: 400, code: "ExpiredToken", message: "The provided token has expired." },
  elsewhere: {
    status: 301,
    code: "PermanentRedirect",
    message: "The bucket you are attempting to access must be addressed using the specified endpoint.",
    more: "<Region>us-west-2</Region>",
    headers: { "x-amz-bucket-region": "us-west-2" },
  },
};

const xml = ({ code, message, more = "" }: Answer): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>4442587FB7D0A2F9</RequestId></Error>`;

/** Listens on this machine and answers each request for a known bucket with its error. */
export async function serveErrors(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    request.resume();
    const bucket = request.url?.split(/[/?]/)[1] ?? "";
    const answer = answers[bucket] ?? {
      status: 500,
      code: "InternalError",
      message: `no answer for ${bucket}`,
    };
    const headers = {
      "content-type": "application/xml",
      "x-amz-request-id": "4442587FB7D0A2F9",
      ...answer.headers,
    };
    response.writeHead(answer.status, headers);
    // An answer to HEAD has no body, so that the status is all there is.
    response.end(request.method === "HEAD" ? undefined : xml(answer));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
