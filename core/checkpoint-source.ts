import * as z from "zod";
import { CheckpointName, Digest, Name } from "./names.ts";

/** Which checkpoint of a run: its newest, its best by the run's own `checkpoint.best`, or that of an epoch. */
const Which = z.union([z.enum(["last", "best"]), z.int().min(1).max(999_999_999)]);
export type Which = z.infer<typeof Which>;

/** Longer than any path or S3 address. */
const maxLength = 4096;

const bucket = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/|$)/;

/** S3 has no folders, so `//`, `.` and `..` in an address are parts of a key that Pawl never writes. */
function parseS3(text: string): string | undefined {
  const address = text.replace(/\/+$/, "");
  if (!bucket.test(address)) return undefined;
  const prefix = address.split("/").slice(3);
  const plain = prefix.every((part) => part !== "" && part !== "." && part !== "..");
  return plain && !/[?#\p{Cc}]/u.test(address) ? address : undefined;
}

/** The path of a `file:` URL of this machine. */
function parseFileUrl(text: string): string | undefined {
  if (!/^file:\/\/(localhost)?\//i.test(text)) return undefined;
  const path = text.replace(/^file:\/\/(localhost)?/i, "");
  if (/[?#]|%2f/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

const parseFolder = (text: string): string => text.replace(/(?<=.)\/+$/, "");

const storeForms = "a folder, file:///path, or s3://bucket/prefix";

/** A store's address, as the long form names it: a folder's path, or an address in S3. */
const StoreAddress = z
  .string()
  .min(1)
  .max(maxLength)
  .transform((text, context) => {
    if (!text.includes("\0")) {
      if (/^s3:/i.test(text)) {
        const address = parseS3(text);
        if (address !== undefined) return address;
      } else if (/^file:/i.test(text)) {
        const path = parseFileUrl(text);
        if (path !== undefined && !path.includes("\0")) return parseFolder(path);
      } else if (!/^([a-z][a-z0-9+.-]*:|~)/i.test(text)) return parseFolder(text);
    }
    context.addIssue({ code: "custom", message: `must be ${storeForms}` });
    return z.NEVER;
  })
  .describe(`The store that the run is in, where it is another one: ${storeForms}.`);

/** What is named by `checkpoint.from`, after parsing. */
export type CheckpointSource =
  /** Relative to the job file's folder, or absolute. */
  | { readonly folder: string }
  /** `s3://bucket/prefix`, without a slash at its end. */
  | { readonly address: string }
  | { readonly run: string; readonly epoch: Which; readonly store?: string | undefined };

/** The short form's meaning; `undefined` for what is none of the allowed forms. */
export function parseCheckpointSource(text: string): CheckpointSource | undefined {
  if (text.length > maxLength || text.includes("\0")) return undefined;
  if (/^(\.\.?(\/|$)|\/)/.test(text)) return { folder: parseFolder(text) };
  if (/^file:/i.test(text)) {
    const path = parseFileUrl(text);
    return path === undefined || path.includes("\0") ? undefined : { folder: parseFolder(path) };
  }
  if (/^s3:/i.test(text)) {
    const address = parseS3(text);
    return address === undefined ? undefined : { address };
  }
  const [, run, which = "last"] = /^([^@]*)(?:@(.*))?$/s.exec(text) ?? [];
  const epoch = Which.safeParse(/^[1-9]\d*$/.test(which) ? Number(which) : which);
  if (!Name.safeParse(run).success || run === undefined || !epoch.success) return undefined;
  return { run, epoch: epoch.data };
}

/** What a wrong short form was most likely meant to be. */
function hint(text: string): string {
  if (text.startsWith("~")) return " ('~' is not expanded: write the whole path)";
  if (/^s3:/i.test(text)) return " (a bucket's name, then a prefix without empty parts)";
  const [scheme] = /^[a-z][a-z0-9+.-]*:/i.exec(text) ?? [];
  if (scheme !== undefined && scheme.toLowerCase() !== "file:") return "";
  return text.includes("/") && scheme === undefined ? ` (for a folder, write ./${text.slice(0, 60)})` : "";
}

const Short = z.string().transform((text, context): CheckpointSource => {
  const source = parseCheckpointSource(text);
  if (source !== undefined) return source;
  const forms =
    "a folder that begins with ./, ../ or /, an address such as s3://bucket/prefix, or a run such as digits-1, digits-1@best or digits-1@7";
  context.addIssue({ code: "custom", message: `must be ${forms}${hint(text)}` });
  return z.NEVER;
});

const Long = z.strictObject({
  run: Name.describe("The run whose checkpoint it is."),
  epoch: Which.default("last").describe(
    "Which of the run's kept checkpoints: its newest, its best, or an epoch's.",
  ),
  store: StoreAddress.optional(),
});

/** `checkpoint.from`; the short and the long form of the same source parse to the same thing. */
export const CheckpointFrom = z
  .union([Short, Long])
  .describe(
    "What training begins from, as fine-tuning does: a folder (`./pretrained`, `/models/base`), an S3 address, or a checkpoint of another run (`digits-1`, `digits-1@best`, `digits-1@7`; of another store: `{run, epoch, store}`). Never looked at again once an epoch is committed.",
  );

/** A source as a person would write it. */
export function formatCheckpointSource(source: CheckpointSource): string {
  if ("folder" in source) return source.folder;
  if ("address" in source) return source.address;
  const { run, epoch, store } = source;
  return `${run}${epoch === "last" ? "" : `@${epoch}`}${store === undefined ? "" : ` in ${store}`}`;
}

/**
 * What `checkpoint.from` was found to be when the run began, so that every attempt before the first commit begins from
 * the same: a checkpoint with its manifest's digest, or plain files with a digest over their paths and sizes.
 */
export const Origin = z.union([
  z.strictObject({
    /** Absent: the run's own store. A relative folder is relative to the job file's. */
    store: z.string().min(1).max(maxLength).optional(),
    run: Name,
    checkpoint: CheckpointName,
    digest: Digest,
  }),
  z.strictObject({
    /** A folder, or an S3 address. */
    place: z.string().min(1).max(maxLength),
    files: z.int().min(1),
    sizeBytes: z.int().min(0),
    digest: Digest,
  }),
]);
export type Origin = z.infer<typeof Origin>;

const stored = /^(.*)\/checkpoints\/([^/]+)\/([^/]+)$/s;

/** The checkpoint of a store that the path or address `place` is that of, by its form alone. */
export function checkpointAt(place: string): { store: string; run: string; checkpoint: string } | undefined {
  const [, store, run, checkpoint] = stored.exec(place) ?? [];
  const named = Name.safeParse(run).success && CheckpointName.safeParse(checkpoint).success;
  if (!named || store === undefined || run === undefined || checkpoint === undefined) return undefined;
  if (store === "s3:/" || store === "s3:") return undefined;
  return { store: store === "" ? "/" : store, run, checkpoint };
}

/** An origin in words. */
export const originWords = (origin: Origin): string =>
  "place" in origin
    ? origin.place
    : `checkpoint ${origin.checkpoint} of run ${origin.run}${origin.store === undefined ? "" : ` in ${origin.store}`}`;
