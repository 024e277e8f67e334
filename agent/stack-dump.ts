/** A line of a stack, in the words of Python's faulthandler. */
export interface Frame {
  /** `train.py:12`. */
  readonly place: string;
  readonly function: string;
  readonly line: string;
}

const heading = /^(Current thread|Thread) 0x[0-9a-f]+/;
const framePattern = /^ {2}File "([^"]{1,400})", line (\d{1,9}) in (\S.{0,200})$/;

const library = /(?:^|\/)(?:site-packages|dist-packages)\/|\/lib\/python\d|\/python\/pawl\/|^</;

/**
 * Where in its own code a Python program was when it dumped its stacks: the innermost such line of the thread that got the
 * signal, else of any thread; `undefined` where there is none.
 */
export function innermost(dump: string): Frame | undefined {
  let signalled = false;
  const found: { readonly frame: Frame; readonly signalled: boolean }[] = [];
  for (const line of dump.split("\n")) {
    if (heading.test(line)) signalled = line.startsWith("Current");
    const [, path, number, name] = framePattern.exec(line.trimEnd()) ?? [];
    if (path === undefined || name === undefined || library.test(path)) continue;
    found.push({ frame: { place: `${path.split("/").at(-1)}:${number}`, function: name, line }, signalled });
  }
  return (found.find((each) => each.signalled) ?? found[0])?.frame;
}
