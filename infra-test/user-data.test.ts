import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentScript, settingsScript, storageScript } from "../cdk/constructs/user-data.ts";
import { tarGz } from "../cdk/tar.ts";
import { synthesised } from "./template.ts";

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pawl-user-data-"));
  root = join(folder, "root");
  for (const name of [root, join(folder, "bin")]) mkdirSync(name);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program of the instance: it notes how it was called, and does what `does` says. */
function program(name: string, does = ""): void {
  const path = join(folder, "bin", name);
  writeFileSync(path, `#!/bin/bash\necho "${name} $*" >> '${folder}/calls'\n${does}\n`);
  chmodSync(path, 0o755);
}

function run(script: string): { status: number | null; calls: string[]; said: string } {
  const path = join(folder, "script");
  writeFileSync(path, script);
  writeFileSync(join(folder, "calls"), "");
  const env = { PATH: `${folder}/bin:/usr/bin:/bin` };
  const ran = spawnSync("bash", [path], { env, encoding: "utf8" });
  const calls = readFileSync(join(folder, "calls"), "utf8").replaceAll(folder, "").split("\n").slice(0, -1);
  return { status: ran.status, calls, said: `${ran.stdout}${ran.stderr}` };
}

describe("the agent's bundle on an instance", () => {
  const archive = tarGz([
    { path: "bin/node", executable: true, content: Buffer.from("#!/bin/bash\necho runs\n") },
    { path: "agent.mjs", executable: false, content: Buffer.from("agent") },
  ]);
  const digest = createHash("sha256").update(archive).digest("hex");
  const script = (expected = digest) =>
    agentScript({ region: "eu-west-1", bucket: "assets", key: "agent.tar.gz", digest: expected }, root);

  /** `aws s3 cp … s3://… FILE`, which fails so many times first. */
  const aws = (failures: number) => {
    writeFileSync(join(folder, "archive"), archive);
    program(
      "aws",
      `[ "$(grep -c '^aws' '${folder}/calls')" -gt ${failures} ] && cp '${folder}/archive' "\${@: -1}"`,
    );
  };
  beforeEach(() => {
    for (const name of ["sleep", "systemctl", "shutdown"]) program(name);
    program("dnf", "exit 1");
  });
  const left = () => readdirSync(join(root, "opt"));

  test("is fetched, found to be what it must be, and put in its place", () => {
    aws(0);
    const { status, calls } = run(script());
    expect(status).toBe(0);
    expect(calls).toEqual([
      expect.stringMatching(/^aws s3 cp --no-progress --region eu-west-1 s3:\/\/assets\/agent\.tar\.gz /),
    ]);
    expect(execFileSync(join(root, "opt/pawl/bin/node"), { encoding: "utf8" })).toBe("runs\n");
    expect(readFileSync(join(root, "opt/pawl/agent.mjs"), "utf8")).toBe("agent");
    expect(left()).toEqual(["pawl"]);
  });

  test("is fetched by a tool that is installed where it is missing, as soon as that can be", () => {
    aws(0);
    const path = join(folder, "bin", "aws");
    const tool = readFileSync(path, "utf8");
    rmSync(path);
    writeFileSync(join(folder, "tool"), tool);
    program(
      "dnf",
      `[ "$(grep -c '^dnf' '${folder}/calls')" -gt 1 ] && install -m 755 '${folder}/tool' '${path}'`,
    );
    const { status, calls } = run(script().replace('command -v "$1"', `[ "$1" != aws ] || [ -e '${path}' ]`));
    expect(status).toBe(0);
    expect(calls.map((call) => call.split(" ").slice(0, 3).join(" "))).toEqual([
      "dnf install -y",
      "sleep 2",
      "dnf install -y",
      "aws s3 cp",
    ]);
  });

  test("is fetched again where that failed, after longer and longer", () => {
    aws(2);
    const { status, calls } = run(script());
    expect(status).toBe(0);
    expect(calls.filter((call) => call.startsWith("sleep"))).toEqual(["sleep 2", "sleep 5"]);
    expect(left()).toEqual(["pawl"]);
  });

  test("replaces one that the machine image brought", () => {
    mkdirSync(join(root, "opt/pawl"), { recursive: true });
    writeFileSync(join(root, "opt/pawl/old"), "");
    aws(0);
    expect(run(script()).status).toBe(0);
    expect(readdirSync(join(root, "opt/pawl")).toSorted()).toEqual(["agent.mjs", "bin"]);
  });

  test.each([
    ["is other than it must be", 0, "0".repeat(64)],
    ["cannot be fetched", 99, digest],
  ])("that %s keeps the instance from taking jobs, and has it shut down", (_, failures, expected) => {
    aws(failures);
    const { status, calls, said } = run(script(expected));
    expect(status).toBe(1);
    expect(calls.filter((call) => call.startsWith("aws")).length).toBe(7);
    expect(calls.slice(-3)).toEqual([
      "systemctl mask ecs.service",
      "systemctl stop --no-block ecs.service",
      "shutdown -h now",
    ]);
    expect(said).toContain("this instance takes no jobs and shuts down");
    expect(left()).toEqual([]);
  });
});

test("ECS's settings are added to what Batch has set", () => {
  const file = join(root, "etc/ecs/ecs.config");
  mkdirSync(join(root, "etc/ecs"), { recursive: true });
  writeFileSync(file, "ECS_CLUSTER=theirs\n");
  expect(run(settingsScript(root)).status).toBe(0);
  expect(readFileSync(file, "utf8").split("\n")).toEqual([
    "ECS_CLUSTER=theirs",
    "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
    "ECS_CONTAINER_STOP_TIMEOUT=120s",
    "",
  ]);
});

describe("an instance's storage", () => {
  const disks = (...names: string[]) =>
    program(
      "lsblk",
      [
        "/dev/nvme0n1 Amazon Elastic Block Store",
        ...names.map((name) => `${name} Amazon EC2 NVMe Instance Storage`),
      ]
        .map((line) => `echo '${line}'`)
        .join("\n"),
    );
  beforeEach(() => {
    for (const name of ["mkfs.xfs", "mount", "mdadm", "dnf"]) program(name);
    program("systemctl", "exit 3"); // Docker has not started
    mkdirSync(join(root, "var/lib/docker"), { recursive: true });
    writeFileSync(join(root, "var/lib/docker/image"), "of the machine image");
  });

  test("is the root volume where there is no other", () => {
    disks();
    const { status, calls } = run(storageScript(root));
    expect(status).toBe(0);
    expect(calls).toEqual(["lsblk --nodeps --noheadings --paths --output NAME,MODEL"]);
    // Whatever user an image has.
    expect(statSync(join(root, "pawl-scratch")).mode & 0o7777).toBe(0o1777);
  });

  test("is its disk, for the attempts' folders and for Docker's", () => {
    disks("/dev/nvme1n1");
    const { status, calls } = run(storageScript(root));
    expect(status).toBe(0);
    expect(calls.slice(1)).toEqual([
      "mkfs.xfs -f -K /dev/nvme1n1",
      "mount -o noatime /dev/nvme1n1 /root/mnt/pawl",
      "mount --bind /root/mnt/pawl/scratch /root/pawl-scratch",
      "systemctl is-active --quiet docker",
      "mount --bind /root/mnt/pawl/docker /root/var/lib/docker",
    ]);
    expect(statSync(join(root, "mnt/pawl/scratch")).mode & 0o7777).toBe(0o1777);
    expect(readFileSync(join(root, "mnt/pawl/docker/image"), "utf8")).toBe("of the machine image");
  });

  test("is made once, and not again at a later boot", () => {
    disks("/dev/nvme1n1");
    run(storageScript(root));
    expect(run(storageScript(root))).toMatchObject({ status: 0, calls: [] });
  });

  test("is all of its disks as one", () => {
    disks("/dev/nvme1n1", "/dev/nvme2n1");
    const { calls } = run(storageScript(root));
    expect(calls).toContain(
      "mdadm --create /dev/md0 --run --level=0 --raid-devices=2 /dev/nvme1n1 /dev/nvme2n1",
    );
    expect(calls).toContain("mkfs.xfs -f -K /dev/md0");
  });

  test("leaves Docker's folder where it is once Docker runs", () => {
    disks("/dev/nvme1n1");
    program("systemctl");
    const { status, calls } = run(storageScript(root));
    expect(status).toBe(0);
    expect(calls.filter((call) => call.includes("docker"))).toEqual(["systemctl is-active --quiet docker"]);
  });

  test.each(["mkfs.xfs", "mount", "mdadm"])("is the root volume where %s fails", (name) => {
    disks("/dev/nvme1n1", "/dev/nvme2n1");
    program(name, "exit 1");
    const { status, calls, said } = run(storageScript(root));
    expect(status).toBe(0);
    expect(said).toContain("the root volume is");
    expect(calls.filter((call) => call.startsWith("mount --bind"))).toEqual([]);
  });
});

test("Batch is given both as parts: storage before Docker starts, the agent before ECS does", () => {
  const [instance] = Object.values(synthesised().findResources("AWS::EC2::LaunchTemplate"));
  const text = JSON.stringify(instance?.Properties.LaunchTemplateData.UserData);
  const inOrder = [
    "Content-Type: multipart/mixed",
    "text/cloud-boothook",
    "use_instance_storage",
    "text/x-shellscript",
    "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
    "fetch_agent",
  ].map((part) => text.indexOf(part));
  expect(inOrder).not.toContain(-1);
  expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
  // EC2 takes 16 KiB, of which Batch needs some.
  expect(Buffer.from(text).toString("base64").length).toBeLessThan(12_000);
});
