import type { BadInput } from "./case.ts";

const fill = "head -c 100000000 /dev/zero > store/filler 2>/dev/null";

export const folderStores: readonly BadInput[] = [
  {
    what: "a store that is a file",
    args: ["train", "--store", "count.sh"],
    code: "STORE_UNWRITABLE",
    says: ["count.sh", "a file is where a folder should be"],
  },
  {
    what: "a store below a file",
    args: ["train", "--store", "count.sh/x"],
    code: "STORE_UNWRITABLE",
    says: ["count.sh/x", "a file is where a folder should be"],
  },
  {
    what: "a store where nothing can be made",
    args: ["train", "--store", "/proc/pawl/runs"],
    code: "STORE_UNWRITABLE",
    says: ["/proc/pawl"],
  },
  {
    what: "a store that is a device",
    args: ["train", "--store", "/dev/null"],
    code: "STORE_UNWRITABLE",
    says: ["/dev/null"],
  },
  {
    what: "a store of an unknown kind",
    args: ["train", "--store", "ftp://host/runs"],
    code: "STORE_ADDRESS",
    says: ["ftp:", "no store has"],
  },
  {
    what: "a store in https",
    args: ["train", "--store", "https://host/runs"],
    code: "STORE_ADDRESS",
    says: ["https:", "no store has"],
  },
  {
    what: "a store at file:runs",
    args: ["train", "--store", "file:runs"],
    code: "STORE_ADDRESS",
    says: ["file:runs", "file:///path/to/folder"],
  },
  {
    what: "a store named in PAWL_STORE of an unknown kind",
    args: ["train"],
    env: { PAWL_STORE: "gopher://x" },
    code: "STORE_ADDRESS",
    says: ["gopher:"],
  },
  { what: "an empty store", args: ["train", "--store", ""], code: "STORE_ADDRESS", says: ["--store"] },
  {
    what: "reading a store that is a file",
    args: ["show", "count-1", "--store", "count.sh"],
    code: "RUN_NOT_FOUND",
    says: ["count.sh", "a file is there"],
  },
  {
    what: "the runs of a store that is not there",
    args: ["runs", "--store", "nowhere"],
    code: "STORE_NOT_FOUND",
    says: ["nowhere"],
  },
  {
    what: "a store of somebody else's",
    asNobody: true,
    args: ["train", "--store", "/usr/pawl-runs"],
    code: "STORE_UNWRITABLE",
    says: ["/usr/pawl-runs", "permission is denied"],
  },
  {
    what: "a store on a disk that is read-only",
    mount: { options: "size=1m", script: "mount -o remount,ro none store" },
    args: ["train", "--store", "store"],
    code: "STORE_UNWRITABLE",
    says: ["store", "read-only"],
  },
  {
    what: "a store on a disk that is full",
    mount: { options: "size=64k", script: fill },
    args: ["train", "--store", "store"],
    code: "STORE_FULL",
    says: ["store", "no space left", "Free space"],
    begun: "that it is full shows when the run is written",
  },
];
