import type { LogRule } from "./rule.ts";

/** What the driver's codes say of the device itself: memory, links, its own firmware. */
const brokenXids =
  "(?:48|61|62|63|64|74|79|92|94|95|110|119|120|121|122|123|136|140|142|143|144|145|146|147|148|149|150|151|154|155|156|158)";
/** What they say of what the application did with it. */
const applicationXids = "(?:8|13|31|32|43|45|68|69|109)";

const xid = (codes: string): RegExp[] => [
  new RegExp(`\\bXid\\b.{0,60}[:,] ?${codes}\\b(?!:)`, "i"),
  new RegExp(`\\bXid(?: errors?)?(?: codes?)?[ :=#]{1,3}${codes}\\b(?!:)`, "i"),
];

/** Broken hardware hides in the errors of everything that uses it. */
export const hardware: readonly LogRule[] = [
  {
    class: "dependency-missing",
    weight: "cause",
    forms: [/nvidia-container-cli: requirement error/i],
  },
  {
    class: "hardware-gpu",
    weight: "root",
    forms: [
      new RegExp(`caused by previous Xid ${brokenXids}\\b`, "i"),
      ...xid(brokenXids),
      /\bSXid\b/i,
      /uncorrectable (?:ECC|NVLink|memory|SRAM|DRAM|HBM) error(?!s?["']?\s*[:=]\s*0)/i,
      /(?:ECC|NVLink|SRAM|DRAM|HBM).{0,30}\b(?:uncorrectable|double[- ]bit)(?! (?:errors?)?["']?\s*[:=]?\s*0\b)(?! .{0,20}[:=]\s*0\b)/i,
      /double[- ]bit (?:ECC )?error|\bDBE\b.{0,60}\bGPU\b|ecc_?uncorrectable|contained ECC error|hit by (?:an )?ECC/i,
      /cudaErrorECC|CUDA_ERROR_ECC|CUDA_ERROR_NVLINK|CUDA_ERROR_HARDWARE|CUDA_ERROR_CONTAINED/i,
      /row[- ]?remapp\w+ (?:failure|failed|pending|error)|page retirement (?:pending|failure)|pending page (?:retirement|blacklist)/i,
      /(?:fallen|fell) off (?:of )?the bus|GPU[ _](?:is|has been|was)[ _]lost|GPU requires (?:a )?reset|GPU reset required|\breset required\b/i,
      /Unable to determine the device handle for GPU|Failed to initialize NVML|NVML: (?:Driver\/library version mismatch|Unknown Error|GPU is lost)/i,
      /NVMLError_(?:GpuIsLost|Unknown|LibRmVersionMismatch|DriverNotLoaded|NotFound)|NVML_ERROR_(?:GPU_IS_LOST|UNKNOWN|RESET_REQUIRED|DRIVER_NOT_LOADED)/i,
      /NVIDIA-SMI has failed|RmInitAdapter(?: failed|: )|rm_init_adapter failed|Cannot attach gpu|osInitNvMapping/i,
      /NVRM: .{0,60}(?:GSP timeout|GPU recovery action|is lost|failed to (?:copy|load) vbios|GPU Board Serial.{0,40}fail)/i,
      /time(?:d )?out\b.{0,40}\b(?:from|of|for|to) (?:the )?(?:GPU\d* )?GSP\b|\bGSP\b.{0,30}\b(?:RPC|firmware|heartbeat)\b.{0,30}(?:time(?:d )?out|fail|error)/i,
      /NVSwitch.{0,40}(?:fatal|error)|NVLink.{0,40}(?:fatal|link (?:is )?down|error was detected)|fabric manager.{0,60}(?:fail|not running|error)/i,
      /HW Exception by GPU|\bGPU hang\b|amdgpu.{0,60}(?:ring \S+ timeout|GPU reset|failed)|HSA_STATUS_ERROR_(?:HARDWARE|EXCEPTION)|hipErrorNoDevice|no ROCm-capable device/i,
      /nvidia-container-cli: .{0,80}(?:nvml error|driver error|driver not loaded|driver rpc error|device error|unknown device|load library failed|no devices|detection error)/i,
      /thermal (?:shutdown|violation).{0,40}GPU|GPU.{0,40}(?:overheat|thermal shutdown|power brake)|unhealthy GPU|GPU (?:device )?(?:is )?(?:marked )?unhealthy/i,
    ],
  },
  {
    class: "hardware-gpu",
    weight: "root",
    forms: [
      /CUDA(?: driver)? error:? (?:\d+ ?)?[('"]{0,2}unknown error|cudaErrorUnknown|CUDA_ERROR_UNKNOWN|CUDA unknown error/i,
      /CUDA(?: driver| runtime)? error.{0,40}(?:all CUDA-capable devices are busy|no CUDA-capable device|hardware stack error|system not yet initialized|invalid device function on lost)/i,
      /cudaErrorDevicesUnavailable|cudaErrorSystemNotReady|cudaErrorNoDevice|cudaErrorHardwareStackError/i,
      /CUDA_ERROR_(?:DEVICE_UNAVAILABLE|SYSTEM_NOT_READY|SYSTEM_DRIVER_MISMATCH)/i,
      /CUDA-capable device\(s\) (?:is\/are|are|is) busy or unavailable|no CUDA-capable device is (?:detected|available)/i,
      /No CUDA GPUs are available|No CUDA (?:devices?|GPUs?) (?:were |was |is |are )?(?:found|detected|available)|No visible GPU devices|No (?:available |NVIDIA |usable )?GPUs?(?: devices?)? (?:were |was |is |are )?(?:found|detected|present|available|visible)|\/dev\/nvidia\d\b.{0,40}(?:does not exist|not found|No such)|^No devices were found$/i,
      /CUDA_ERROR_NO_DEVICE|failed call to cuInit|cuInit.{0,40}(?:failed|error)/i,
      /Unable to initialize backend '(?:cuda|gpu|rocm|tpu)'.{0,120}(?:FAILED_PRECONDITION|INTERNAL|UNKNOWN)/i,
    ],
  },
];

export const gpuMemory: readonly LogRule[] = [
  {
    class: "container-oom",
    weight: "cause",
    forms: [/OOM when allocating tensor.{0,300}(?:device:CPU|by allocator (?:cpu|mklcpu))/i],
  },
  {
    class: "gpu-oom",
    weight: "cause",
    forms: [
      /\b(?:CUDA|HIP|GPU|XPU|MPS|NPU|VRAM|cuda\w*|device)\b.{0,60}\bout of memory\b(?!:? (?:no|0)\b)/i,
      /\bCUDA(?: |_|-)?OOM\b|CUDA_OUT_OF_MEMORY|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory|OUT_OF_DEVICE_MEMORY/i,
      /torch(?:\.cuda)?\.OutOfMemoryError|cupy\.cuda\.memory\.OutOfMemoryError|OutOfMemoryError: (?:CUDA|HIP|XPU|Out of memory allocating|Allocation on device)|Allocation on device .{0,40}would exceed/i,
      /Tried to allocate [\d.]+ ?[KMGT]i?B\b.{0,80}(?:GPU|MPS|device|capac|free)/i,
      /CU(?:BLAS|DNN|SPARSE|SOLVER|FFT|RAND)_(?:STATUS_)?ALLOC(?:ATION)?_FAILED|cublasCreate failed|CUDNN_STATUS_\w{0,60}ALLOC_FAILED/i,
      /Resource[ _]?Exhausted(?:Error)?(?:: |\b.{0,20}:).{0,80}(?:out of memory|OOM|alloc|memory)/i,
      /\bResourceExhaustedError\b|OOM when allocating tensor|(?:RESOURCE_EXHAUSTED|Resource exhausted): (?!.{0,100}(?:quota|rate|message larger|disk|storage))/i,
      /Allocator \(GPU\S{0,20}\) ran out of memory|ran out of memory (?:trying to allocate|in memory space (?:hbm|vmem|smem))|Attempting to (?:reserve|allocate) .{0,40}(?:at the bottom of memory|That was not possible)/i,
      /failed to alloc(?:ate)? .{0,60}(?:from|on|of) (?:the )?(?:device|GPU|cuda)|(?:cuda|hip)Malloc\w{0,20}\b.{0,40}(?:fail|out of memory)/i,
      /(?:memory allocation|allocat\w+).{0,40}\bOOM on device|\bOOM\b.{0,30}\b(?:on|from) (?:device|GPU|cuda)|\bcudaError\w* ?\w*:? ?2 \(out of memory\)/i,
      /low on resource: nvidia\.com\/gpu|more GPU memory than/i,
      /No available memory for the cache blocks|Free memory on device .{0,80} is less than desired GPU memory|(?:not enough|insufficient|exceeds? (?:the )?(?:available )?|no (?:more )?(?:free )?)(?: free)? ?(?:GPU|CUDA|device|VRAM)(?: memory)?\b.{0,20}\bmemory|(?:not enough|insufficient) (?:free )?(?:GPU|CUDA|device) memory|(?:GPU|device) memory (?:is )?(?:exhausted|insufficient|not enough)/i,
      /To serve at least one request with the models? max(?:imum)? seq(?:uence)? len.{0,80}KV cache is needed/i,
    ],
  },
];

/** Codes that nobody knows: the lower are of the engines that run a program, the higher of the device. */
const otherXids: readonly LogRule[] = [
  { class: "segfault/native-crash", weight: "crash", confidence: "low", forms: xid("[1-4]?\\d") },
  { class: "hardware-gpu", weight: "symptom", confidence: "low", forms: xid("\\d{2,3}") },
];

/** Crashes of what runs on the device, and of the libraries that drive it. */
export const gpuCrashes: readonly LogRule[] = [
  {
    class: "segfault/native-crash",
    weight: "crash",
    forms: [
      ...xid(applicationXids),
      /illegal memory access|CUDA_ERROR_ILLEGAL_(?:ADDRESS|INSTRUCTION)|cudaErrorIllegal(?:Address|Instruction)|an illegal instruction was encountered/i,
      /misaligned address|unspecified launch failure|CUDA_ERROR_LAUNCH_(?:FAILED|TIMEOUT)|cudaErrorLaunch(?:Failure|Timeout)|the launch timed out and was terminated|invalid program counter|cudaErrorMisalignedAddress|cudaErrorInvalidPc/i,
      /CU(?:BLAS|DNN|SOLVER|SPARSE|FFT)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED|MAPPING_ERROR)|CUFFT_(?:INTERNAL_ERROR|EXEC_FAILED)|CUDNN_STATUS_(?:EXECUTION|INTERNAL)\w+/i,
      /\bcu(?:BLAS|DNN|SOLVER|SPARSE|FFT|RAND)\b.{0,30}(?:internal|runtime|execution) (?:error|failed)|the GPU program failed to execute|Memory access fault by GPU|HSA_STATUS_ERROR_MEMORY/i,
    ],
  },
  ...otherXids,
];
