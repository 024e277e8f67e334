import type { LogRule } from "./rule.ts";

/** `exit code 139`, `exited with status 139`, `exitcode: 139`, `"ExitCode": 139`. */
const exit = (codes: string): RegExp =>
  new RegExp(
    `\\bexit(?:ed|s|[ _]?code|[ _]?status)?\\b["']?(?:[ _]?(?:with|status|code|was|is|of|non-zero))*["']?\\s*[ :=(]{1,4}${codes}\\b|\\b(?:status|code|rc|returncode)["']?[ :=]{1,3}${codes}\\b`,
    "i",
  );
/** `killed by signal 11`, `Signal 11 (SIGSEGV)`, `signal: aborted`. */
const bySignal = (names: string): RegExp =>
  new RegExp(
    `(?:killed|terminated|died|exited|crashed|failed|caught|received|got|interrupted|fatal) (?:by |with |on |from |of |due to )?(?:the |an? )?(?:fatal )?signal:? ?(?:\\()?(?:${names})|\\bsignal:? ?(?:${names})|^Signal: `,
    "i",
  );

export const crashes: readonly LogRule[] = [
  {
    class: "segfault/native-crash",
    weight: "crash",
    forms: [
      /segmentation (?:fault|violation)|\bsegfault\b(?! ?[:=] ?0)|\bSIG(?:SEGV|BUS|ILL|FPE|TRAP|SYS)\b|Fatal Python error: (?!Aborted)|(?<!Abort(?:ed)? )\(core dumped\)|Illegal instruction|Floating point exception|Trace\/breakpoint trap|^Bus error|access violation|0xC0000005|-1073741819/i,
      exit("(?:132|133|135|136|139|-4|-5|-7|-8|-11)"),
      bySignal("4\\b|5\\b|7\\b|8\\b|11\\b|Segmentation|Bus error|Illegal"),
      /died with <Signals\.SIG(?:SEGV|BUS|ILL|FPE|TRAP)|exitcode\s*:?\s*-(?:4|5|7|8|11)\b|general protection (?:fault )?ip|segfault at [0-9a-f]+ ip|trap invalid opcode|Process received signal|A fatal error has been detected by the Java Runtime|\*\*\* Aborted at \d|Fatal error: exception|unrecoverable (?:error|fault)/i,
      /double free or corruption|free invalid pointer|(?:free|munmap_chunk|realloc)\(\)|(?:free|malloc|realloc|munmap_chunk|calloc)\(\): |corrupted (?:size vs\. prev_size|double-linked list)|stack smashing detected|heap (?:corruption|buffer overflow)|pure virtual method called|LLVM ERROR|^F\d{4} \d\d:\d\d:\d\d.{0,120}Check failed|AddressSanitizer|buffer overflow detected|stack-overflow|Unhandled exception: /i,
    ],
  },
  // An abort is how a process ends itself for a reason that it has told before.
  {
    class: "segfault/native-crash",
    weight: "echo",
    forms: [
      /\bSIGABRT\b|Fatal Python error: Aborted|Abort(?:ed)? \(core dumped\)|^(?:.{0,80}: line \d+: +\d+ )?Aborted\b(?: {2,}\S.{0,200})?$|DataLoader worker \(pid\(?s?\)? ?[\d, ]+\) is killed by signal: Abort/i,
      exit("(?:134|-6)"),
      bySignal("6\\b|Abort"),
    ],
  },
  {
    class: "segfault/native-crash",
    weight: "echo",
    confidence: "low",
    forms: [
      /^(?:\S{1,60}: )?terminate called |libc\+\+abi: terminating|^(?:\S+ )?[\w./+-]{1,80}:\d+: .{1,200}: Assertion .{1,200} failed/i,
    ],
  },
];

/** Somebody asked the process to end. A log does not know who. */
export const asked: readonly LogRule[] = [
  {
    class: "spot-reclaim",
    weight: "symptom",
    confidence: "low",
    forms: [/SignalException: .{0,60}signal: 15\b/],
  },
  {
    class: "spot-reclaim",
    weight: "hint",
    confidence: "low",
    forms: [
      /\b(?:exit|stopp|terminat|shutt|quitt|leav|sav|checkpoint|interrupt|kill)\w*\b.{0,40}\b(?:on|due to|because of|after|upon|by|with) (?:a |the )?(?:signal(?! (?!15\b)\d)|SIGTERM|termination)/i,
      /\b(?:caught|receiv\w*|got|handl\w+|trapped|intercept\w*|bypass\w*|signal)\b.{0,30}\b(?:SIGTERM|signal:? 15|Signals\.SIGTERM|(?:termination|death|shutdown|preemption) signal)|\bSIGTERM\b.{0,20}\b(?:received|caught|handl\w+|detected)|Signal 15 \(SIGTERM\)|got signal: 15\b|signal: terminated\b|Bypassing signal/i,
      exit("(?:143|-15)"),
      /exit ?code\s*:\s*-15\b|(?:killed|terminated|died|exited) (?:by|with|on|from) signal:? ?(?:15|TERM|Terminated)|^(?:.{0,80}: line \d+: +\d+ )?Terminated(?:: 15)?(?: {2,}\S.{0,200})?$/i,
    ],
  },
];
