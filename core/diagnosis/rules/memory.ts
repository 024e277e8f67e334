import type { LogRule } from "./rule.ts";

/** Shared memory is memory, whatever its error is called. */
export const sharedMemory: readonly LogRule[] = [
  {
    class: "container-oom",
    weight: "cause",
    forms: [
      /insufficient shared memory|out of shared memory|unable to (?:open|write|mmap|allocate).{0,80}(?:shared memory|\/torch_\w+)|Couldn't open shared file mapping/i,
      /\/dev\/shm\b.{0,60}no space left|no space left.{0,40}\/dev\/shm|(?:\/dev\/shm|\bshm\b).{0,60}(?:is too small|insufficient|full\b|exhausted|not enough)/i,
      /DataLoader worker \(pid\(?s?\)? ?[\d, ]+\) is killed by signal: (?:Killed|Bus error)/i,
      /while creating shared memory segment|NCCL WARN.{0,60}(?:shm_open|posix_fallocate|Error while (?:attaching to|creating) shared memory)/i,
    ],
  },
];

/** Memory of the host, or of the container. */
export const hostMemory: readonly LogRule[] = [
  {
    class: "container-oom",
    weight: "cause",
    forms: [
      /\bMemoryError\b|\bENOMEM\b|\[Errno 12\]|os error 12\b|Cannot allocate memory|virtual memory exhausted|cannot allocate vector of size/i,
      /std::bad_alloc|bad_array_new_length|DefaultCPUAllocator.{0,20}: (?:can't allocate|not enough) memory|not enough memory: you tried to allocate|not enough memory resources/i,
      /Unable to allocate .{1,40} for an array|Unable to allocate [\d.]+ [KMGTP]i?B\b|ArrayMemoryError|ArrowMemoryError|polars.{0,40}out of memory|malloc of size \d+ failed|memory allocation of \d+ bytes failed|failed to allocate (?:\d+ bytes|memory)/i,
      /java\.lang\.OutOfMemoryError|Java heap space|GC overhead limit exceeded|JavaScript heap out of memory|runtime: out of memory|Reached heap limit/i,
      /\boom[-_ ]kill(?:er|ed|_process)?\b(?!["']?\s*[:=]?\s*(?:0|false|no)\b)|\boom_reaper\b|out_of_memory\+0x|Out of memory: Kill(?:ed)? process|Memory cgroup out of memory|\bKilled process \d+\b.{0,80}\b(?:total-vm|anon-rss|vsz)\b|\bOOM[- ]?Killed\b(?!["']?\s*[:=]\s*(?:0|false|no)\b)|\bOut Of Memory\b(?!:? ?(?:no|0)\b).{0,40}\bkill/i,
      /OutOfMemory(?:Error)?: container killed|container killed due to memory|killed due to (?:the node running low on |high |excessive |out of )?memory|(?:Killing|killed) .{0,60}(?:exceed\w*|over|low on|out of) .{0,30}memory/i,
      /low on resource: memory|exceed(?:ed|s|ing) (?:its |the )?(?:\w+ ){0,3}memory (?:limit|budget|quota)|memory (?:limit|quota) (?:was )?exceeded|exceeded \d+% memory budget|beyond (?:the )?'?(?:physical|virtual)'? memory limit/i,
      /(?:terminated|killed|crashed|restarted|died|stopped) (?:due to|because of|by)(?: the)? (?:an? )?(?:insufficient memory|lack of memory|out[- ]of[- ]memory|memory pressure|OOM\b)|low on memory|not enough (?:system |host |free |CPU )?(?:RAM|memory)\b|insufficient (?:system |host |CPU )?(?:RAM|memory)\b(?! (?:available \(|units))/i,
    ],
  },
  {
    class: "container-oom",
    weight: "symptom",
    confidence: "low",
    forms: [
      /\bexit(?:ed|[ _]?code|[ _]?status)?\b["']?(?:[ _]?(?:with|status|code|was|is|of|non-zero))*["']?[ :=(]{1,4}137\b|\b(?:status|code|rc)["']?[ :=]{1,3}137\b/i,
      /(?:exit ?(?:code|status)|exited with(?: code)?|returncode|return code|code)["']?\s*[:=]?\s*-9\b|\bSIGKILL\b|signal: ?killed\b|(?:killed|terminated|died|exited) (?:by|with|on|from|of|due to) signal:? ?(?:9\b|Killed|KILL)|signal:? 9\b/i,
      /^(?:.{0,80}: line \d+: +\d+ |\S{1,40}: )?Killed(?:: 9)?(?: {2,}\S.{0,200})?$|: line \d+: +\d+ Killed\b|^\S{0,40}\s?(?:已杀死|已終止|已砍掉|Getötet|Tué|Processus arrêté|Terminado \(killed\)|Ucciso|Убито|強制終了)\s?.{0,80}$/i,
      /process (?:in the process )?pool was terminated abruptly|BrokenProcessPool/i,
      /\bout[ -]of[ -](?:RAM|memory)\b(?!["']?:? ?(?:no|0|false|errors?\b.{0,10}[:=] ?0)\b)/i,
    ],
  },
];

export const disk: readonly LogRule[] = [
  {
    class: "disk-full",
    weight: "cause",
    forms: [
      /no space left on (?:the )?device|\bENOSPC\b|\[?Errno:? ?28\b|os error 28\b|errno ?[:=] ?28\b|\bStorageFull\b/i,
      /disk quota exceeded|\[?Errno:? ?122\b|\bEDQUOT\b|quota exceeded.{0,40}(?:disk|file|volume)|(?:disk|storage|file ?system|volume|inode)s? quota .{0,20}exceeded/i,
      /(?:not enough|insufficient|no|out of|ran out of|run out of|low on|low)(?: free| available| local| temporary| ephemeral)* (?:disk|storage|file ?system)(?: space)?\b|not enough (?:free )?space|insufficient (?:free )?space/i,
      /(?:disk|file ?system|volume|partition|device) (?:is )?(?:almost )?full\b|\bDiskPressure\b|ephemeral[- ]storage|there is not enough space on the disk|Thin Pool has \d+ free data blocks|no free inodes/i,
      /PytorchStreamWriter failed writing|write\(\): fd \d+ failed|file write failed|failed to write to (?:file|disk)|unexpected pos \d+ vs \d+|basic_ios::clear: iostream error/i,
    ],
  },
];
