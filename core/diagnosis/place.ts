/** Where in somebody's code an error was raised, in the words of its own runtime. */
export interface Raised {
  /** `ValueError`, without its module. */
  readonly exception: string;
  /** The whole line. */
  readonly text: string;
  /** The line of the log. */
  readonly at: number;
  /** `train.py:12`: the last frame that is the user's own, by the file's name, since each attempt has a folder of its own. */
  readonly frame: string | undefined;
}

const heading = /Traceback \(most recent call last\):?\s*$/;
const pythonFrame = /^\s*File "([^"]{1,400})", line (\d{1,7})(?:, in |$)/;
/** The line that names the exception: at the beginning of the line, with its module. */
const named = /^((?:[A-Za-z_]\w{0,60}\.){0,8}[A-Za-z_]\w{1,80})(?::\s|$)/;
const nodeError =
  /^(?:Uncaught )?((?:[A-Za-z_]\w{0,60}\.)?[A-Z]\w{0,60}(?:Error|Exception))(?: \[\w{1,60}\])?(?::\s|$)/;
const nodeFrame =
  /^\s+at (?:.{1,200} \()?(?:file:\/\/)?(\/[^\s():]{1,400}|[A-Za-z]:\\[^\s():]{1,400}|node:[\w/]+):(\d{1,7}):\d{1,7}\)?$/;

const library =
  /(?:^|\/)(?:site-packages|dist-packages|node_modules)\/|\/lib\/python\d|^<|^node:|\/pawl\/python\/|\/python\/pawl\//;

/** What others say of an error that has been raised elsewhere. */
const echoes = new Set([
  "ChildFailedError",
  "CalledProcessError",
  "SystemExit",
  "ProcessRaisedException",
  "ProcessExitedException",
]);

/** Prefixes by which many processes tell their lines apart. */
export const withoutRank = (line: string): string =>
  line.replace(
    /^(?:\[(?:rank|default|trainer|worker)?\d{1,6}\]:? ?|\(\w{1,40} pid=\d{1,10}(?:, ip=[\d.]{7,15})?\) )/,
    "",
  );

/** `lines`, with nothing left of errors that a program met when it was cleaned up after its end: they have no effect. */
export function withoutIgnored(lines: readonly string[]): string[] {
  let inside = false;
  return lines.map((line) => {
    if (/^Exception ignored in/.test(withoutRank(line))) inside = true;
    if (!inside) return line;
    inside = !(named.test(withoutRank(line)) && !/^(?:Exception ignored|Traceback)/.test(withoutRank(line)));
    return "";
  });
}

/** The last error of `lines` that somebody's own code raised, before its echoes. */
export function lastRaised(lines: readonly string[]): Raised | undefined {
  const all = [...pythonErrors(lines), ...nodeErrors(lines)].sort((a, b) => a.at - b.at);
  return all.findLast(({ exception }) => !echoes.has(exception)) ?? all.at(-1);
}

function pythonErrors(lines: readonly string[]): Raised[] {
  const found: Raised[] = [];
  let frames: string[] | undefined;
  for (const [at, raw] of lines.entries()) {
    const line = withoutRank(raw);
    if (heading.test(line)) {
      frames = [];
      continue;
    }
    if (frames === undefined) continue;
    const [, file, number] = pythonFrame.exec(line) ?? [];
    if (file !== undefined) {
      if (!library.test(file)) frames.push(`${baseName(file)}:${number}`);
      continue;
    }
    const [, name = ""] = named.exec(line) ?? [];
    if (name === "" || /^\s/.test(line)) continue;
    found.push({ exception: lastPart(name), text: line, at, frame: frames.at(-1) });
    frames = undefined;
  }
  return found;
}

function nodeErrors(lines: readonly string[]): Raised[] {
  const found: Raised[] = [];
  let open: { exception: string; text: string; at: number } | undefined;
  let frame: string | undefined;
  const close = () => {
    if (open !== undefined && frame !== undefined)
      found.push({ ...open, frame: frame === "" ? undefined : frame });
    open = undefined;
    frame = undefined;
  };
  for (const [at, raw] of lines.entries()) {
    const line = withoutRank(raw);
    const [, file, number] = nodeFrame.exec(line) ?? [];
    if (file !== undefined) {
      if (frame === undefined || frame === "")
        frame = library.test(file) ? "" : `${baseName(file)}:${number}`;
      continue;
    }
    const [, name] = nodeError.exec(line) ?? [];
    if (name === undefined) continue;
    close();
    open = { exception: lastPart(name), text: line, at };
  }
  close();
  return found;
}

const baseName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;
const lastPart = (name: string): string => name.split(".").at(-1) ?? name;

/** `ValueError at train.py:12`. */
export const placeOf = ({ exception, frame }: Raised): string | undefined =>
  frame === undefined ? undefined : `${exception} at ${frame}`.slice(0, 300);
