import { Readable } from "node:stream";

/** An answer that ended before, or went on after, what it announced; tried again as a broken connection is. */
const wrongLength = (): Error =>
  Object.assign(new Error("the answer's body has another length than it announced"), { code: "ECONNRESET" });

/**
 * Copies an answer's body into `target`, from `at` on; `received` is told how far it has come, so that a broken answer can
 * be gone on with from there. Data events and one copy: an iterator costs a promise for each 64 KiB.
 */
export async function receive(
  body: unknown,
  target: Uint8Array,
  at: number,
  received: (upTo: number) => void,
): Promise<void> {
  if (!(body instanceof Readable)) throw new TypeError("the answer has no body");
  let position = at;
  await new Promise<void>((resolve, reject) => {
    body.on("data", (chunk: Buffer) => {
      if (position + chunk.byteLength > target.byteLength) {
        body.destroy();
        reject(wrongLength());
        return;
      }
      target.set(chunk, position);
      position += chunk.byteLength;
      received(position);
    });
    body.once("end", () => (position === target.byteLength ? resolve() : reject(wrongLength())));
    body.on("error", reject);
    body.once("close", () => reject(wrongLength()));
  });
}

/** Lets go of an answer whose body nobody wants, and of its connection. */
export function discard(body: unknown): void {
  if (body instanceof Readable) body.on("error", () => {}).destroy();
}
