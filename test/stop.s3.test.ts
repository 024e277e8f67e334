import { randomUUID } from "node:crypto";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, it } from "vitest";
import { Stopped } from "../cli/stop.ts";
import { pawl, processesNaming, startPawl } from "./pawl.ts";
import { countProject, heldBefore, saying } from "./projects.ts";

const endpoint = process.env.PAWL_TEST_LOCALSTACK;
if (endpoint === undefined) throw new Error("these tests need servers: npm run test:s3");
const client = new S3Client({ endpoint, forcePathStyle: true });
const bucket = `stop-${randomUUID().slice(0, 8)}`;

describe("pawl stop, of a run in a bucket", () => {
  beforeAll(async () => {
    process.env.AWS_ENDPOINT_URL_S3 = endpoint;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  it("is heard by the process that trains it, and pawl resume goes on at once", async () => {
    await using folder = await countProject();
    const store = `s3://${bucket}/runs`;
    const quick = { cwd: folder.path, env: { PAWL_STORE: store } };
    const held = { cwd: folder.path, env: { ...quick.env, ...heldBefore(folder, 5) } };
    const running = startPawl(["train", "--json"], held);
    await saying(running, "epoch 2 is committed");
    const stopped = await pawl(["stop", "count-1", "--json"], quick);
    expect(stopped.code, stopped.stderr).toBe(0);
    const ran = await running.done;
    expect(ran.code, ran.stderr).toBe(103);
    const { status, epoch } = Stopped.parse(JSON.parse(stopped.stdout));
    expect(status).toBe("stopped");
    expect(epoch).toBeGreaterThanOrEqual(2);
    expect(epoch).toBeLessThan(6);
    expect(await processesNaming(folder.path)).toEqual([]);
    const on = await pawl(["resume", "count-1"], quick);
    expect(on.code, on.stderr).toBe(0);
    expect(on.stderr).toContain("resumed after it was stopped by");
    const again = await pawl(["stop", "count-1"], quick);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("run count-1 is finished");
  });
});
