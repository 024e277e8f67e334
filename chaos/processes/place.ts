import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { startVersitygw } from "../../infra-test/servers/versitygw.ts";
import { type Fault, startFaultyProxy } from "../../store/testing/s3-faults.ts";
import { filesBelow } from "../../test/pawl.ts";
import type { Chance } from "../chance.ts";

/** Where one process run keeps its run. */
export interface Place {
  readonly address: string;
  /** For those who train there. */
  readonly env: NodeJS.ProcessEnv;
  /** Where the attempts work. */
  readonly scratch: () => Promise<string>;
  /** The run's checkpoints as files, where they are. */
  readonly checkpoints: string | undefined;
  /** Files of writers that ended before they were done. */
  readonly leftovers: () => Promise<string[]>;
  /** Faults of the store itself, by their kind. */
  readonly faults: Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** Where places are made. */
export interface Places {
  /** `chance` says what goes wrong there by itself. */
  make(folder: string, chance: Chance): Promise<Place>;
  close(): Promise<void>;
}

const temporaryIn = (folder: string): Promise<string> => mkdtemp(join(folder, "tmp-"));

export const folderPlaces: Places = {
  async make(folder) {
    const store = join(folder, "store");
    const temporary = await temporaryIn(folder);
    return {
      address: store,
      env: { TMPDIR: temporary },
      scratch: async () => join(store, ".internal", "scratch"),
      checkpoints: join(store, "checkpoints"),
      leftovers: async () => [
        ...(await filesBelow(join(store, ".internal", "tmp"))),
        ...(await filesBelow(temporary)),
      ],
      faults: {},
      close: async () => {},
    };
  },
  close: async () => {},
};

const installed = new URL("../../node_modules/.cache/pawl/installed/", import.meta.url);

/** Whether an S3 server is there to be started; nothing is installed for chaos alone. */
export const hasS3Server = (): boolean =>
  existsSync(installed) && readdirSync(installed).some((name) => name.startsWith("versitygw-"));

const credentials = { accessKeyId: "pawl", secretAccessKey: "pawl-secret" };
const bucket = "chaos";

const drawFault = (chance: Chance): Fault | undefined => {
  if (!chance.happens("a fault of the server", 0.05)) return undefined;
  const afterBytes = chance.whole("after", 0, 2000);
  return chance.of("which", [
    { kind: "answer", status: 503, code: "SlowDown" },
    { kind: "answer", status: 500, code: "InternalError" },
    { kind: "break the request", afterBytes },
    { kind: "break the answer", afterBytes },
    { kind: "lose the answer" },
    { kind: "come late" },
    { kind: "answer slowly" },
    { kind: "damage the request" },
    { kind: "damage the answer" },
  ]);
};

/** Places in a bucket of a real S3 server, each behind a proxy that loses, breaks, delays and damages what passes. */
export async function bucketPlaces(folder: string): Promise<Places> {
  const own = join(folder, "server");
  await mkdir(own, { recursive: true });
  const server = await startVersitygw(own, credentials);
  // For this process, which looks at what is there without faults.
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: server.address,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_REGION: "us-east-1",
  });
  const client = new S3Client({
    endpoint: server.address,
    region: "us-east-1",
    forcePathStyle: true,
    credentials,
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  let count = 0;
  return {
    async make(folder, chance) {
      count += 1;
      const temporary = await temporaryIn(folder);
      const proxy = await startFaultyProxy(server.address);
      const faults: Record<string, number> = {};
      proxy.play(() => {
        const fault = drawFault(chance);
        if (fault !== undefined) {
          const kind = fault.kind === "answer" ? `${fault.status}` : fault.kind;
          faults[`S3: ${kind}`] = (faults[`S3: ${kind}`] ?? 0) + 1;
        }
        return fault;
      });
      const scratch = async () => {
        const [user = ""] = await readdir(temporary);
        const [place = ""] = await readdir(join(temporary, user)).catch(() => []);
        return join(temporary, user, place);
      };
      return {
        address: `s3://${bucket}/${process.pid}-${count}`,
        env: { TMPDIR: temporary, AWS_ENDPOINT_URL_S3: proxy.endpoint },
        scratch,
        checkpoints: undefined,
        leftovers: () => filesBelow(temporary),
        faults,
        close: () => proxy.close(),
      };
    },
    close: () => server.stop(),
  };
}
