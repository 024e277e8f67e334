import { createHash } from "node:crypto";
import { openFolderStore } from "../folder.ts";

/*
 * A process that writes to a folder store for a test: `node writer-process.ts <folder> <task> <name>`. It says `ready`,
 * begins when a line comes in, and says on a line what it has done.
 */
const [folder = "", task = "", name = ""] = process.argv.slice(2);

const say = (words: string) => process.stdout.write(`${words}\n`);

/** Text that carries its own digest: a torn one is told from a whole one. */
function sealed(text: string): string {
  return `${createHash("sha256").update(text).digest("hex")} ${text}`;
}

const store = await openFolderStore(folder);

const tasks: Record<string, () => Promise<void>> = {
  /** Wants each of 20 keys; says which it got. */
  async create() {
    for (let i = 0; i < 20; i += 1) {
      if ((await store.create(`race/${i}`, name)) !== undefined) say(`race/${i}`);
    }
  },
  /** Adds 1 to a number, 25 times. */
  async count() {
    for (let done = 0; done < 25; ) {
      const seen = await store.read("count");
      if (seen === undefined) throw new Error("the count is gone");
      const next = String(Number(Buffer.from(seen.bytes).toString("utf8")) + 1);
      if ((await store.replace("count", seen.version, next)) !== undefined) done += 1;
    }
    say("counted");
  },
  /** Writes small and large objects and goes on replacing one, until it is killed; says what is written. */
  async forever() {
    for (let i = 0; ; i += 1) {
      await store.create(`small/${name}/${i}`, sealed(`small ${i}`));
      say(`small/${name}/${i}`);
      const large = async function* () {
        for (const part of sealed(`large ${i} ${"x".repeat(300_000)}`).match(/.{1,65536}/g) ?? []) {
          yield Buffer.from(part);
        }
      };
      await store.create(`large/${name}/${i}`, large());
      say(`large/${name}/${i}`);
      const seen = await store.read("replaced");
      const body = sealed(`replaced by ${name} ${i}`);
      if (seen === undefined) await store.create("replaced", body);
      else await store.replace("replaced", seen.version, body);
      if (i > 0) {
        await store.remove(`small/${name}/${i - 1}`);
        say(`gone small/${name}/${i - 1}`);
      }
    }
  },
};

say("ready");
process.stdin.once("data", async () => {
  await tasks[task]?.();
  process.exit(0);
});
