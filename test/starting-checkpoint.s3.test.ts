import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, it } from "vitest";
import { filesBelow, pawl, type Ran } from "./pawl.ts";
import { changeJob, countProject, modelEpochs, type Project, pulledEpochs, upTo } from "./projects.ts";

const endpoint = process.env.PAWL_TEST_LOCALSTACK;
if (endpoint === undefined) throw new Error("these tests need servers: npm run test:s3");
const client = new S3Client({ endpoint, forcePathStyle: true });
const bucket = `start-${randomUUID().slice(0, 8)}`;
const runs = `s3://${bucket}/runs`;

async function tune(folder: Project, from: string, ...args: string[]): Promise<Ran> {
  await changeJob(folder, { name: "tune", epochs: "2", checkpoint: `{from: ${from}}` });
  return await pawl(["train", ...args], { cwd: folder.path });
}

const put = (Key: string, Body: string) => client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));

describe("a run that begins from S3", () => {
  beforeAll(async () => {
    process.env.AWS_ENDPOINT_URL_S3 = endpoint;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    await using folder = await countProject();
    const ran = await pawl(["train", "--store", runs], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(0);
  });

  it("takes the files below a prefix as they are, and not the markers of folders", async () => {
    await put("models/base/", "");
    await put("models/base/model.txt", "epoch 1000\n");
    await put("models/base/tokenizer/", "");
    await put("models/base/tokenizer/vocabulary.json", "{}");
    await put("models/base-2/model.txt", "another model");
    await using folder = await countProject();
    const ran = await tune(folder, `s3://${bucket}/models/base/`);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain(`from s3://${bucket}/models/base,`);
    const pulled = await pawl(["pull", "tune-1", "--to", "out"], { cwd: folder.path });
    expect(pulled.code, pulled.stderr).toBe(0);
    expect(await modelEpochs(join(folder.path, "out"))).toEqual([1000, 1, 2]);
    const files = await filesBelow(join(folder.path, "out"));
    expect(files.map((file) => relative(folder.path, file)).sort()).toEqual([
      "out/model.txt",
      "out/tokenizer/vocabulary.json",
    ]);
  });

  it.each([
    ["a run of that store", `{run: count-1, epoch: best, store: "${runs}"}`, 4],
    ["the address of a checkpoint", `${runs}/checkpoints/count-1/5-1`, 5],
  ])("takes a checkpoint by %s", async (_name, from, last) => {
    await using folder = await countProject();
    const ran = await tune(folder, from);
    expect(ran.code, ran.stderr).toBe(0);
    expect(await pulledEpochs(folder, "tune-1")).toEqual([...upTo(last), 1, 2]);
  });

  it("takes another run of its own store", async () => {
    await using folder = await countProject();
    const ran = await tune(folder, "count-1@best", "--store", runs);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain("from checkpoint 4-1 of run count-1,");
  });

  it("is refused where there is nothing, and ends at once where it vanished", async () => {
    await using folder = await countProject();
    for (const [from, words] of [
      [`s3://${bucket}/models/absent`, "there is no file in"],
      [`s3://${bucket}-absent/models`, "there is no bucket"],
      [runs, "is a store of runs, and no checkpoint"],
    ] as const) {
      const ran = await tune(folder, from, "--new");
      expect(ran.code, ran.stderr).toBe(102);
      expect(ran.stderr).toContain(`checkpoint.from ${from}: `);
      expect(ran.stderr).toContain(words);
    }
    await put("models/changing/model.txt", "epoch 1\n");
    await writeFile(join(folder.path, "count.sh"), `exit 3\n`);
    await changeJob(folder, { retry: "{failuresWithoutProgress: 1}" });
    const first = await tune(folder, `s3://${bucket}/models/changing`, "--new");
    expect(first.code, first.stderr).toBe(100);
    await put("models/changing/model.txt", "epoch 10\n");
    const second = await tune(folder, `s3://${bucket}/models/changing`);
    expect(second.code, second.stderr).toBe(100);
    expect(second.stderr).toContain("has changed since the run began");
  });
});
