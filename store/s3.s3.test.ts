import { describeObjectStore, type Gaps } from "./testing/contract.ts";
import { clientAt, localstack, makeBucket, openAt, type S3Server, versitygw } from "./testing/s3-servers.ts";

const versionsByContent = "an ETag follows from the bytes, and S3 compares nothing else";
const listAfter = "it compares the keys as they are encoded for URLs";
const longKeys = "the prefix is part of each key";
const nestedKeys = "it keeps objects as files, and a file system has one thing at one path";

function describeServer(server: S3Server, prefix: string, gaps: Gaps): void {
  describeObjectStore(
    `${prefix === "" ? "a bucket" : "a prefix"} of ${server.name}`,
    async () => {
      const client = clientAt(server.endpoint);
      const bucket = await makeBucket(client);
      const open = () => openAt(server.endpoint, `s3://${bucket.name}${prefix}`);
      return {
        store: await open(),
        reopen: open,
        async cleanup() {
          await bucket.remove();
          client.destroy();
        },
      };
    },
    gaps,
  );
}

describeServer(localstack(), "", { versionsByContent, listAfter });
describeServer(versitygw(), "", { versionsByContent, nestedKeys });
describeServer(localstack(), "/a team/runs", { versionsByContent, listAfter, longKeys });
