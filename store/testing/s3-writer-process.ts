import { setTimeout as sleep } from "node:timers/promises";
import { openS3Store } from "../s3.ts";

/*
 * A process that creates a large object for a test: `node s3-writer-process.ts <address> <key> <MiB>`. It says `sending`
 * for each MiB, and `created` when all is done, which the test never lets it come to.
 */
const [address = "", key = "", mebibytes = "0"] = process.argv.slice(2);

async function* body(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < Number(mebibytes); i += 1) {
    process.stdout.write("sending\n");
    yield Buffer.alloc(1024 * 1024, `MiB ${i};`);
    await sleep(0);
  }
}

const store = await openS3Store(address);
await store.create(key, body());
process.stdout.write("created\n");
