import * as ec2 from "aws-cdk-lib/aws-ec2";
import { agentMount, scratchFolder, stopSeconds } from "./container-folders.ts";

/** The agent's bundle: an object, and what it must be. */
export interface AgentObject {
  readonly region: string;
  readonly bucket: string;
  readonly key: string;
  /** SHA-256 of the archive, hexadecimal. */
  readonly digest: string;
}

/**
 * What an instance does before it takes jobs. Batch takes user data in parts only, and adds its own.
 *
 * - As a boot hook, so before Docker starts: instance storage is made one file system, for the attempts' folders and for
 *   Docker's. Stopping Docker later would cancel the start of ECS, which waits for both Docker and the last part.
 * - As scripts: ECS on Amazon Linux 2023 starts after cloud-init's last script has ended, so an instance without the agent
 *   never takes a job.
 */
export function instanceUserData(agent: AgentObject | undefined): ec2.UserData {
  const { CLOUD_BOOTHOOK, SHELL_SCRIPT } = ec2.MultipartBody;
  const parts = new ec2.MultipartUserData();
  parts.addUserDataPart(ec2.UserData.custom(storageScript()), CLOUD_BOOTHOOK);
  parts.addUserDataPart(ec2.UserData.custom(settingsScript()), SHELL_SCRIPT);
  if (agent !== undefined) parts.addUserDataPart(ec2.UserData.custom(agentScript(agent)), SHELL_SCRIPT);
  return parts;
}

/**
 * Instance storage, where the instance has any, as one file system (several disks as RAID 0). On any failure the root volume
 * does, which is always there. `root` goes before all paths.
 */
export const storageScript = (root = ""): string => `#!/bin/bash
# Pawl: instance storage for the attempts' folders and for Docker's. Boot hooks run at every boot, this one once.
set -u
storage='${root}/mnt/pawl' scratch='${root}${scratchFolder}' docker='${root}/var/lib/docker'
mkdir -p "$scratch"
# Images may have users of their own.
chmod 1777 "$scratch"
if [ -e "$storage" ]; then exit 0; fi
mkdir -p "$storage"

use_instance_storage() {
  mapfile -t disks < <(lsblk --nodeps --noheadings --paths --output NAME,MODEL |
    awk '/Amazon EC2 NVMe Instance Storage/ { print $1 }')
  device="\${disks[0]:-}"
  if [ "\${#disks[@]}" = 0 ]; then return 0; fi
  if [ "\${#disks[@]}" -gt 1 ]; then
    device=/dev/md0
    command -v mdadm || dnf install -y mdadm || return 1
    mdadm --create "$device" --run --level=0 --raid-devices="\${#disks[@]}" "\${disks[@]}" || return 1
  fi
  mkfs.xfs -f -K "$device" && mount -o noatime "$device" "$storage" || return 1
  mkdir -p "$storage/scratch" "$storage/docker" && chmod 1777 "$storage/scratch" || return 1
  mount --bind "$storage/scratch" "$scratch" || return 1
  # Docker's images and layers go there too, unless it runs already. What the machine image brought is taken along.
  if systemctl is-active --quiet docker; then return 0; fi
  mkdir -p "$docker"
  cp -a "$docker/." "$storage/docker/" && mount --bind "$storage/docker" "$docker"
}
use_instance_storage || echo 'pawl: no instance storage could be used, the root volume is'
exit 0
`;

/** A container has the whole of a spot notice to leave in, and is told of it. `root` goes before all paths. */
export const settingsScript = (root = ""): string => `#!/bin/bash
mkdir -p '${root}/etc/ecs'
cat >> '${root}/etc/ecs/ecs.config' <<'SETTINGS'
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_CONTAINER_STOP_TIMEOUT=${stopSeconds}s
SETTINGS
`;

/**
 * The agent's bundle at its place, whole or not at all. Where the bundle cannot be had, ECS never starts and the
 * instance shuts down: Batch starts another one, and Sweep ends a job that none could start in time.
 */
export const agentScript = ({ region, bucket, key, digest }: AgentObject, root = ""): string => `#!/bin/bash
# Pawl: the agent, for containers to mount.
set -u
mkdir -p '${root}/opt'

installed() {
  command -v "$1" || dnf install -y "$2"
}

fetch_agent() {
  installed aws awscli-2 && installed tar tar && installed gzip gzip || return 1
  folder="$(mktemp -d '${root}/opt/.pawl-XXXXXX')" || return 1
  if aws s3 cp --no-progress --region '${region}' 's3://${bucket}/${key}' "$folder/agent.tar.gz" &&
    echo "${digest}  $folder/agent.tar.gz" | sha256sum --check --status &&
    mkdir "$folder/agent" &&
    tar --extract --gzip --no-same-owner --file "$folder/agent.tar.gz" --directory "$folder/agent" &&
    chmod 755 "$folder/agent" &&
    rm -rf '${root}${agentMount}' &&
    mv -T "$folder/agent" '${root}${agentMount}'; then
    rm -rf "$folder"
    return 0
  fi
  rm -rf "$folder"
  return 1
}

for pause in 2 5 10 20 40 60 0; do
  if fetch_agent; then exit 0; fi
  echo "pawl: the agent could not be fetched, or is not what it must be; again in $pause s"
  sleep "$pause"
done
echo 'pawl: no agent: this instance takes no jobs and shuts down'
systemctl mask ecs.service
systemctl stop --no-block ecs.service
shutdown -h now
exit 1
`;
