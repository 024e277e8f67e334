import { join } from "node:path";
import { testBucket, versitygw } from "../store/testing/s3-servers.ts";
import { describeMoves } from "./moving-runs.ts";

const server = versitygw();
const bucket = testBucket(server);
process.env.AWS_ENDPOINT_URL_S3 = server.endpoint;

describeMoves("a folder and a bucket", (folder) => [join(folder, "here"), bucket.fresh()]);
describeMoves("a bucket and a folder", (folder) => [bucket.fresh(), join(folder, "there")]);
describeMoves("two places in a bucket", () => [bucket.fresh(), bucket.fresh()]);
