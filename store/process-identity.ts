import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import * as z from "zod";

/** Which process, of all that ever ran: a pid alone is used again, a pid with its start time is not. */
export const ProcessIdentity = z.strictObject({
  host: z.string().min(1).max(255),
  /** One boot of one machine; with `+` and a number behind it where the process sees a pid namespace of its own. */
  bootId: z.string().min(1).max(100),
  pid: z.int().min(1),
  /** As the system writes it; to be compared, not read. */
  startTime: z.string().min(1).max(100),
});
export type ProcessIdentity = z.infer<typeof ProcessIdentity>;

/** What the system says of a pid: its start time, that there is no such (living) process, or nothing that we may see. */
type Seen = { readonly startTime: string } | "gone" | "hidden";

interface System {
  readonly bootId: () => string;
  readonly see: (pid: number) => Seen;
}

/** `kill(pid, 0)` tells a process that we may not look at from none. */
function existsHidden(pid: number): Seen {
  try {
    process.kill(pid, 0);
    return "hidden";
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH" ? "gone" : "hidden";
  }
}

/** The first pid namespace of a machine has this fixed number (PROC_PID_INIT_INO). */
const firstNamespace = "pid:[4026531836]";

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    // A sandbox that hides its namespaces: best taken for a container, of which nobody else can tell.
    return "0";
  }
}

const linux: System = {
  bootId() {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = pidNamespace();
    return namespace === firstNamespace ? boot : `${boot}+${namespace.replace(/\D/g, "")}`;
  },
  see(pid) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    } catch {
      return existsHidden(pid);
    }
    // The second field is the program's name in brackets, which may hold spaces and brackets itself.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const startTime = rest[18];
    if (state === "Z" || state === "X") return "gone";
    return startTime === undefined ? "hidden" : { startTime };
  },
};

const macos: System = {
  // Not kern.boottime, which moves when the clock is set.
  bootId: () => execFileSync("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"], { encoding: "utf8" }).trim(),
  see(pid) {
    let line: string;
    try {
      line = execFileSync("/bin/ps", ["-o", "stat=", "-o", "lstart=", "-p", String(pid)], {
        encoding: "utf8",
        env: { LC_ALL: "C", TZ: "UTC0" },
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
    } catch {
      return existsHidden(pid);
    }
    const [, state, startTime] = /^(\S+)\s+(.+)$/.exec(line) ?? [];
    if (state?.startsWith("Z") === true) return "gone";
    return startTime === undefined ? existsHidden(pid) : { startTime: startTime.replace(/\s+/g, " ") };
  },
};

const system = process.platform === "linux" ? linux : macos;

let bootId: string | undefined;
let own: ProcessIdentity | undefined;

/** This process. */
export function thisProcess(): ProcessIdentity {
  own ??= identify(process.pid);
  if (own === undefined) throw new Error("the system does not say when this process began");
  return own;
}

/** The process that has `pid` on this host now; `undefined` where there is none, or a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const seen = system.see(pid);
  if (typeof seen === "string") return undefined;
  bootId ??= system.bootId();
  return { host: hostname(), bootId, pid, startTime: seen.startTime };
}

/**
 * Whether that process still runs; a zombie does not. `undefined` where it cannot be told: on another host, in another
 * pid namespace, or hidden from this user.
 */
export function isAlive(identity: ProcessIdentity): boolean | undefined {
  const here = thisProcess();
  if (identity.bootId === here.bootId) {
    const seen = system.see(identity.pid);
    if (seen === "hidden") return undefined;
    return seen !== "gone" && seen.startTime === identity.startTime;
  }
  // The host name of a container says nothing about which machine it is on.
  const contained = identity.bootId.includes("+") || here.bootId.includes("+");
  return contained || identity.host !== here.host ? undefined : false;
}
