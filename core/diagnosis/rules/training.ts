import type { LogRule } from "./rule.ts";

/** Pawl's helper says that it was called wrongly: whatever it quotes is not what happened. */
export const helper: readonly LogRule[] = [
  {
    class: "user-exception",
    weight: "root",
    forms: [/\bTrainerError: \[?(?:MISUSE|METRIC_INVALID|CHECKPOINT_INVALID)\b/],
  },
];

export const checkpoints: readonly LogRule[] = [
  {
    class: "data-loader/s3",
    weight: "cause",
    forms: [/(?:corrupted|truncated) record at \d+/i],
  },
  {
    class: "checkpoint-corrupt",
    weight: "cause",
    forms: [
      /PytorchStreamReader\]? failed|(?:fail\w*|could not|cannot|can't|unable to|bad|no) .{0,20}central directory|invalid header or archive is corrupted|not a ZIP archive|file not found in archive|file in archive is not in a subdirectory/i,
      /unexpected EOF(?:\b.{0,60}(?:more bytes|corrupt)|, expected)|storage has wrong (?:byte )?size|Invalid magic number|unpickling stack underflow|could not find MARK|invalid load key|persistent id instruction was encountered/i,
      /SafetensorError: .{0,60}(?:deserializ|header|invalid|incomplete|metadata|buffer)|(?:Metadata|Header)(?:IncompleteBuffer|TooLarge|TooSmall)|InvalidHeader(?:Deserialization|Length|Start)?\b|InvalidOffset\b|TensorInvalidInfo|incomplete metadata, file not fully covered/i,
      /UnpicklingError(?!.{0,20}Weights only load failed)|pickle data was truncated|EOFError: Ran out of input|BadZipFile|File is not a zip file|Bad CRC-32|Bad magic number for (?:file header|central directory)/i,
      /Unable to (?:synchronously )?open (?:file|object) \(|Can't (?:synchronously )?read data|truncated file: eof|file signature not found|bad (?:object header|superblock) version/i,
      /DataLossError|DATA_LOSS: |\bData loss: |not an sstable|too short to be an sstable|Unable to open table file|Checksum does not match|block checksum mismatch/i,
      /Error (?:opening|reading|decoding) .{0,40}(?:driver|chunk|manifest)\b|Error parsing object member|OCDBT.{0,80}(?:corrupt|missing|not found)/i,
      /Unable to load weights from .{0,40}checkpoint file|zero checkpoint(?:s| shard| file)?s? .{0,60}(?:missing|corrupt|not found)|invalid hash value|(?:hash|sha256|md5|checksum) (?:mismatch|does not match|verification failed)|GGUF.{0,40}(?:corrupt|truncated|invalid magic)|invalid magic/i,
    ],
  },
  {
    class: "checkpoint-corrupt",
    weight: "cause",
    confidence: "medium",
    forms: [
      /\b(?:checkpoints?|ckpt|state[_ ]dict|weights|model file|optimizer state|snapshot)\b.{0,120}\b(?:corrupt(?:ed)?|truncated|checksum mismatch|is damaged|is incomplete|is empty|not finalized|partially written)\b/i,
      /\b(?:corrupt(?:ed)?|truncated|incomplete|damaged|partial)\b.{0,30}\b(?:checkpoints?|ckpt|weights|state[_ ]dict|model file)\b/i,
      /(?:safetensors|\.(?:pth?|ckpt|bin|h5)|model|weights|checkpoint|archive) file is (?:incomplete|corrupt(?:ed)?|truncated|damaged|empty|invalid)|(?:file|archive) (?:might|may|could|seems to|appears to) be (?:corrupt(?:ed)?|truncated|incomplete)|corrupt(?:ed)? (?:file|archive)\?/i,
    ],
  },
];

const notFinite = "(?:nan|inf|infs|nans|infinit(?:e|y)|non-?finite|not finite)";

export const numeric: readonly LogRule[] = [
  {
    class: "numeric",
    weight: "cause",
    forms: [
      /returned nan values in its \d+th output|NanLossDuringTraining|Model diverged with loss|had NaN values|Tensor had (?:NaN|Inf)|CheckNumerics/i,
      /\bloss (?:is|became|was|has become|turned|went|=|==|of|goes|exploded|returned)\s*(?:to |into |out of |at )?(?:an? )?(?:infinite or nan|nan or inf\w*|nan|inf|infinite|non-?finite|not finite)\b/i,
      /\b(?:nan|nan or inf|inf or nan|nan\/inf|inf\/nan|non-?finite|infinite) (?:\w+ )?(?:loss|gradients?|grads?|grad[_ ]norm|activations?|logits|rewards?|outputs?|parameters?|weights?)\b(?!\w|["']?\s*[:=]|.{0,30}\b(?:skip|count)\b.{0,10}[:=] ?0)/i,
      /\bloss\b .{0,40}(?:is|are|became|exploded to) (?:nan|inf|not finite|non-finite)|Invalid loss, (?:terminating|stopping)|loss (?:has )?(?:diverged|exploded)|(?:training|model|optimi[sz]ation|run|loss) (?:has |is |have )?diverg(?:ed|ing)\b/i,
      /(?:current )?loss scale already at minimum|Minimum loss scale (?:\(\S+\) )?reached|loss scale to (?:0(?:\.0+)?|\d[\d.]*e-\d+)\s*$|Attempted loss scale: [\d.e-]+, (?:but hysteresis.{0,60}|)?reducing to (?:0(?:\.\d+)?|1(?:\.0+)?)\s*(?:$|\D)/i,
      /FloatingPointError|OverflowError: .{0,40}(?:Numerical result out of range|math range error|too large)|overflow detected, \(34|Numerical result out of range/i,
      new RegExp(`(?:is|be) ${notFinite},? so it cannot be clipped`, "i"),
      /found (?:nan|inf) in (?:local )?(?:forward|grad|loss|param|weight|activation|bucket|rank|the )|Unexpected result (?:nan|inf)\b|NaN\w* (?:was |were |has been |have been |values? )?(?:detected|encountered|found|produced|appeared)\b(?!.{0,10}[:=] ?(?:0|false|none)\b)(?!.{0,40}input tensor)/i,
    ],
  },
  {
    class: "numeric",
    weight: "cause",
    forms: [
      new RegExp(`(?:Error|Exception|Assert\\w*)\\b.{0,200}\\b${notFinite}\\b(?!['"\`]?\\s*(?:=|\\())`, "i"),
      /contains? (?:either )?[`'"]?(?:inf|infs|nan|nans|infinity)\b|must not contain (?:infs?|nans?)|found invalid values:|(?:contains?|has|with) non-?finite/i,
      /(?:detected|encountered|found|got|hit) (?:an? |some )?(?:nan|inf|infinit\w+)(?: ?(?:or|\/|and|and\/or) ?(?:nan|inf\w*))?\b.{0,80}(?:loss|grad|param|weight|activation|output|stopping|abort|value|fitness|tensor `|in `)/i,
      /(?:gradients?|grad[_ ]norm|parameters?|weights|logits|activations?) (?:is|are|contains?|became|has|have|went) .{0,20}(?:nan|inf|non-?finite)\b/i,
      /linalg\.\w+: .{0,120}(?:ill-conditioned|singular|not positive[- ]definite|failed to converge|did not converge|non-finite)|input is not positive-definite|LinAlgError: /i,
      /(?:stopping|aborting|terminating|exiting|halting|ending) .{0,40}\b(?:nan|non-?finite|inf|diverge\w*)\b|\b(?:nan|non-?finite|diverge\w*)\b.{0,40}\b(?:stopping|aborting|terminating|exiting|halting|ending) /i,
    ],
  },
  {
    class: "numeric",
    weight: "hint",
    confidence: "low",
    forms: [
      /NaN or Inf found in input tensor|invalid value encountered in|overflow encountered in|divide by zero encountered/i,
      /(?<!(?:best|min|prev\w*|lowest|initial|last|target)[ _-]?(?:\w{1,12}[ _-]?)?)\b(?!best|min|prev|lowest|initial)(?:\w{0,30}_?loss\w{0,12}|perplexity|ppl|(?:g|grad[ _]?)norm|reward)['"]?\s*[:=]?\s*(?:tensor\()?\[?['"]?[-+]?(?:nan|inf)\b(?! to\b)/i,
      /Attempted loss scale: [\d.e-]+, (?:but hysteresis.{0,60}|)?reducing to (?:[2-9]|1[0-6])(?:\.\d+)?\s*(?:$|\D)|loss scaler \d+ reducing loss scale to (?:[0-9]|1[0-6])(?:\.\d+)?\s*$/i,
      /\bloss_?scale\w*['"]?\s*[:=]\s*(?:0(?:\.0+)?|\d[\d.]*e-\d+)\b/i,
    ],
  },
];

/** What the trainer itself did wrong, where its error alone does not say so. */
export const users: readonly LogRule[] = [
  {
    class: "user-exception",
    weight: "cause",
    forms: [
      /Assertion [`'"].{1,300}['"`] failed|device-side assert|CUDA_ERROR_ASSERT|cudaErrorAssert|Error\(s\) in loading state_dict|size mismatch for |Weights only load failed/i,
      /^(?:\S{1,80}: )?error: (?:unrecognized arguments|the following arguments are required|argument .{1,100}: invalid|no such option|ambiguous option)|^Error: (?:No such option|Missing (?:option|argument)|Invalid value for|Got unexpected extra argument)/i,
    ],
  },
];

/** How programs of other languages word an error of their own. */
export const plainErrors: readonly LogRule[] = [
  {
    class: "user-exception",
    weight: "guess",
    confidence: "low",
    forms: [
      /\bexit(?:ed|[ _]?code|[ _]?status)?\b["']?(?:[ _]?(?:with|status|code|was|is|of|non-zero))*["']?\s*[ :=(]{1,4}(?:[1-9]|[1-9]\d|1[01]\d|12[0-35])\b(?!\d|\.\d|%)/i,
      /^panic: thread '.{1,60}' panicked at|^Execution halted$|^ERROR: LoadError|^Error in .{1,200} : \S|: (?:\w+: )?unbound variable$|: syntax error near unexpected token/i,
      /\b(?:(?:shape|size|dimension|dtype|type)s? mismatch|mismatch in (?:shape|size|dimension|dtype))\b/i,
    ],
  },
];
