import { readFileSync } from "node:fs";

/** Where this process's control group may tell, in both versions; in a container it is the root of what can be seen. */
function places(): string[] {
  const groups = read("/proc/self/cgroup").split("\n");
  const unified = groups.find((line) => line.startsWith("0::"))?.slice(3) ?? "";
  const memory =
    groups.find((line) => /^\d+:(?:\w+,)*memory[,:]/.test(line))?.replace(/^\d+:[^:]*:/, "") ?? "";
  return [
    `/sys/fs/cgroup${unified}/memory.events`,
    "/sys/fs/cgroup/memory.events",
    `/sys/fs/cgroup/memory${memory}/memory.oom_control`,
    "/sys/fs/cgroup/memory/memory.oom_control",
  ];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** How often the kernel has killed a process of this one's control group for want of memory; `undefined` where nothing tells. */
export function countOomKills(): number | undefined {
  for (const path of places()) {
    const count = /^oom_kill (\d+)$/m.exec(read(path))?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}
