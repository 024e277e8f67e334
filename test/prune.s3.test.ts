import { describe, expect, it } from "vitest";
import { openAt, testBucket, versitygw } from "../store/testing/s3-servers.ts";
import { pawl } from "./pawl.ts";
import { countProject } from "./projects.ts";

const server = versitygw();
const bucket = testBucket(server);
process.env.AWS_ENDPOINT_URL_S3 = server.endpoint;

describe("pawl prune, of a bucket", () => {
  it("removes what nobody needs, and whole runs with all that is theirs where that is asked for", async () => {
    await using folder = await countProject();
    const address = bucket.fresh();
    const where = { cwd: folder.path, env: { PAWL_STORE: address } };
    const trained = await pawl(["train"], where);
    expect(trained.code, trained.stderr).toBe(0);
    const store = await openAt(server.endpoint, address);
    await store.create("checkpoints/count-1/1-1/model.txt", "epoch 1\n");

    const pruned = await pawl(["prune", "--yes"], where);
    expect(pruned.stdout, pruned.stderr).toContain("freed 8 B in 1 object\n");
    const left: string[] = [];
    for await (const name of store.children("checkpoints/count-1/")) left.push(name);
    expect(left).toEqual(["4-1", "5-1", "6-1"]);
    expect((await pawl(["prune", "--yes"], where)).stdout).toContain("nothing that nobody needs");

    const removed = await pawl(["prune", "count-1", "--whole-runs", "--yes", "--json"], where);
    expect(JSON.parse(removed.stdout)).toMatchObject({
      removed: true,
      items: [{ kind: "run", run: "count-1" }],
    });
    for await (const { key } of store.list("")) expect.unreachable(key);
    expect((await pawl(["show", "count-1"], where)).code).toBe(102);
  });
});
