import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { command } from "../../scripts/installed.ts";
import { region } from "../servers/server-group.ts";
import { ask } from "./request.ts";
import { zipFolder } from "./zip.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Every request without an account of its own is this one's. */
export const account = "000000000000";

const AssetManifest = z.object({
  files: z.record(
    z.string(),
    z.object({
      source: z.object({ path: z.string(), packaging: z.enum(["file", "zip"]) }),
      destinations: z.record(z.string(), z.object({ bucketName: z.string(), objectKey: z.string() })),
    }),
  ),
});

/** Synthesises the app into a folder, which `use` has for as long as it runs. */
export async function withAssembly<T>(
  context: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-assembly-"));
  try {
    await command(process.execPath, ["cdk/app.ts"], {
      cwd: root,
      env: { CDK_OUTDIR: folder, CDK_CONTEXT_JSON: JSON.stringify(context) },
    });
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What `cdk bootstrap` leaves behind, as far as a deployment needs it: a bucket for assets, and a version. */
async function bootstrap(endpoint: string, s3: S3Client, buckets: ReadonlySet<string>): Promise<void> {
  for (const bucket of buckets) await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  await ask(endpoint, { name: "ssm", target: "AmazonSSM" }, "PutParameter", {
    Name: "/cdk-bootstrap/hnb659fds/version",
    Value: "30",
    Type: "String",
  }).catch((error: unknown) => {
    if (!String(error).includes("ParameterAlreadyExists")) throw error;
  });
}

const filled = (text: string): string =>
  text.replaceAll(/\$\{AWS::AccountId\}/g, account).replaceAll(/\$\{AWS::Region\}/g, region);

/** Uploads what a stack's assembly needs and the account has not. Gives the template's address. */
export async function publish(endpoint: string, folder: string, stackName: string): Promise<string> {
  const manifest = AssetManifest.parse(
    JSON.parse(await readFile(join(folder, `${stackName}.assets.json`), "utf8")),
  );
  const files = Object.values(manifest.files).flatMap(({ source, destinations }) =>
    Object.values(destinations).map(({ bucketName, objectKey }) => ({
      source,
      Bucket: filled(bucketName),
      Key: filled(objectKey),
    })),
  );
  const s3 = new S3Client({ endpoint, region, forcePathStyle: true });
  try {
    await bootstrap(endpoint, s3, new Set(files.map(({ Bucket }) => Bucket)));
    let template: string | undefined;
    for (const { source, Bucket, Key } of files) {
      const path = join(folder, source.path);
      if (source.path.endsWith(".template.json")) template = `${endpoint}/${Bucket}/${Key}`;
      // The agent's archive is for instances; the emulated ones have its files already.
      if (source.path.endsWith(".tar.gz") || (await exists(s3, Bucket, Key))) continue;
      const Body = source.packaging === "zip" ? zipFolder(path) : readFileSync(path);
      await s3.send(new PutObjectCommand({ Bucket, Key, Body }));
    }
    if (template === undefined) throw new Error(`${stackName} has no template among its assets`);
    return template;
  } finally {
    s3.destroy();
  }
}

const exists = (s3: S3Client, Bucket: string, Key: string): Promise<boolean> =>
  s3.send(new HeadObjectCommand({ Bucket, Key })).then(
    () => true,
    () => false,
  );
