import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { identify, isAlive, ProcessIdentity, thisProcess } from "./process-identity.ts";

it("says who this process is, the same each time, in a form that can be kept", () => {
  const own = thisProcess();
  expect(own.pid).toBe(process.pid);
  expect(ProcessIdentity.parse(JSON.parse(JSON.stringify(own)))).toEqual(own);
  expect(thisProcess()).toEqual(own);
  expect(identify(process.pid)).toEqual(own);
  expect(isAlive(own)).toBe(true);
});

it("tells a process that runs from one that has ended", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error("the child is not seen");
  expect(isAlive(identity)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isAlive(identity)).toBe(false);
  expect(identify(identity.pid)).toBeUndefined();
});

it("counts a zombie as dead", async () => {
  // The shell becomes a program that never asks for its child's end.
  const parent = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 60"]);
  try {
    const [line] = await once(parent.stdout, "data");
    const identity = identify(Number(String(line)));
    if (identity === undefined) throw new Error("the child is not seen");
    expect(isAlive(identity)).toBe(true);
    while (isAlive(identity) === true) await sleep(10);
    expect(() => process.kill(identity.pid, 0)).not.toThrow();
    expect(isAlive(identity)).toBe(false);
    expect(identify(identity.pid)).toBeUndefined();
  } finally {
    parent.kill("SIGKILL");
    await once(parent, "exit");
  }
});

it("does not take a later process with the same pid for the earlier one", () => {
  expect(isAlive({ ...thisProcess(), startTime: "1" })).toBe(false);
});

it("counts what ran before the machine was started again as dead, unless in a container", () => {
  const own = thisProcess();
  const contained = own.bootId.includes("+");
  expect(isAlive({ ...own, bootId: "an-earlier-boot" })).toBe(contained ? undefined : false);
  expect(isAlive({ ...own, bootId: "an-earlier-boot+4026532000" })).toBeUndefined();
});

it("cannot tell of another host, nor of another container on this one", () => {
  const own = thisProcess();
  expect(isAlive({ ...own, host: `not-${own.host}`, bootId: "another" })).toBeUndefined();
  expect(isAlive({ ...own, bootId: `${own.bootId.split("+")[0]}+1` })).toBeUndefined();
});

it("goes by the boot where the host has been renamed", () => {
  expect(isAlive({ ...thisProcess(), host: "renamed" })).toBe(true);
});
