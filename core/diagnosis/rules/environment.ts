import type { LogRule } from "./rule.ts";

export const dependencies: readonly LogRule[] = [
  {
    class: "image-or-command-error",
    weight: "cause",
    forms: [
      /: No module named ['"]?__main__|Cannot find module '\/|can't open file '|Unable to access jarfile|no main manifest attribute/,
    ],
  },
  {
    class: "dependency-missing",
    weight: "cause",
    forms: [
      /ModuleNotFoundError|No module named|error while loading shared libraries|cannot open (?:shared )?object file|undefined symbol\b|symbol lookup error|cannot import name|DLL load failed/i,
      /version [`'‘"]?(?:GLIBC|GLIBCXX|CXXABI|GOMP|OPENSSL|CUDA|lib\w+\.so)\w*[\w.]*['’"]? not found|Could not load (?:library|dynamic library)|Unable to load (?:any of|the) .{0,60}(?:libcud|\.so)|Library not loaded:|cannot find -l\w+|(?:failed|unable|cannot|could not) (?:to )?(?:load|find|open|locate) .{0,60}\blib[\w+-]+\.so/i,
      /PackageNotFoundError|DistributionNotFound|pkg_resources\.\w*VersionConflict|No package metadata|requires the .{1,80} library but it was not found|but it is not installed|(?:is|are) not installed\b|there is no package called|Package .{1,60} not found in current path/i,
      /Cannot find (?:module|package) '|ERR_MODULE_NOT_FOUND|ERR_PACKAGE_PATH_NOT_EXPORTED|ClassNotFoundException|NoClassDefFoundError|NoSuchMethodError|UnsupportedClassVersionError|UnsatisfiedLinkError/,
      /not compiled with (?:CUDA|NCCL|GPU)|cudaErrorInsufficientDriver|CUDA error:? \(?35\b|driver version is insufficient|NVIDIA driver on your system is too old|Found no NVIDIA driver|CUDA_HOME environment variable is not set|CUDA_HOME does not exist|CUDA version .{0,40}mismatch|detected CUDA version .{0,80}mismatch|forward compatibility was attempted|compiled with an unsupported toolchain|doesn't have NCCL built in|cuda>=[\d.]+, please update your driver|CUDA_ERROR_(?:COMPAT|UNSUPPORTED_PTX)\w*|(?:cuDNN|CUDA|NCCL) (?:library )?version (?:mismatch|incompatib)\w*|Loaded runtime CuDNN library: .{0,80}but source was compiled with/i,
      /No matching distribution found|Could not find a version that satisfies|[Nn]inja is required|Numpy is not available|numpy\.\w+ size changed|binary incompatibility|compiled (?:using|against) (?:NumPy|API version)|is incompatible with this version of|ResolutionImpossible/,
      /(?:requires?|needs?) .{0,40}(?:>=|==|~=|<=?)\s?\d.{0,60}(?:but|found|installed|which is not|is required)|is required (?:for a normal functioning|but|by)\b.{0,80}(?:found|installed)/i,
      /(?:please|try|run|must|need to|consider|you can|by running).{0,30}\b(?:pip|conda|apt(?:-get)?|npm|yarn)3? install\b|[Pp]lease install (?:it|the|with|via|using|[`'"\w-]+) .{0,80}|ImportError: |Failed to import \S+ because of the following error/,
    ],
  },
];

/** A program that is called by its bare name; it may as well be a folder. */
export const programs: readonly LogRule[] = [
  {
    class: "dependency-missing",
    weight: "cause",
    confidence: "low",
    forms: [/No such file or directory: b?['"][\w.+-]+(?<!\.\w{1,8})['"]$/],
  },
];

const none =
  "(?:not found|No such file or directory|Is a directory|Permission denied|cannot execute.{0,60}|required file not found|Exec format error)";

export const commands: readonly LogRule[] = [
  {
    class: "image-or-command-error",
    weight: "cause",
    forms: [
      /exec format error|executable file not found|cannot execute(?: binary file|: required file not found)?|no kernel image is available for execution|Text file busy|exec: .{1,200}: (?:not found|permission denied|no such file|is a directory)/i,
      /OCI runtime|oci runtime error|(?:exec user process|starting container process) caused|unable to start container process|error during container init|container_linux\.go:\d+|standard_init_linux\.go|runc create failed|failed to create shim|failed to create (?:task|container)\b/i,
      /container start failed|failed to start containers?\b|couldn't start container|CannotStartContainer(?:Error)?: |CannotCreateContainer(?:Error)?: |(?:CreateContainer(?:Config)?|RunContainer)Error|failed to initialize logging driver|could not select device driver|unable to find user \S+: |invalid mount config|no command specified|bind source path does not exist|mounts? denied/i,
      /: command not found|: bad interpreter|Could not find or load main class|sh: 0: (?:can't|cannot) open|qemu-\S+: Could not open|illegal option --|CrashLoopBackOff|StartError\b|\[FATAL tini|[Cc]annot run program "|fork\/exec \S+: (?:exec format|no such file|permission denied)/,
      /\bexit(?:ed|[ _]?code|[ _]?status)?\b["']?(?:[ _]?(?:with|status|code|was|is|of|non-zero))*["']?[ :=(]{1,4}12[67]\b|\b(?:status|code|rc)["']?[ :=]{1,3}12[67]\b/i,
      new RegExp(`^(?:\\/\\S*\\/)?(?:ba|da|z|k|a|tc)?sh: (?:line )?(?:\\d+: )?.{1,300}: ${none}$`, "i"),
      new RegExp(
        `^(?:\\/usr\\/bin\\/)?env: .{1,200}: ${none}$|^exec:? .{1,200}: ${none}$|^\\/?(?:usr\\/bin\\/)?(?:nohup|timeout|time|nice|xargs|sudo|srun|tini|gosu|su-exec): .{1,200}: ${none}$`,
        "i",
      ),
      new RegExp(`^\\S*(?:entrypoint|command|run|script|\\.sh)\\S*: (?:line )?\\d+: .{1,200}: ${none}$`, "i"),
    ],
  },
];

export const pulls: readonly LogRule[] = [
  {
    class: "cannot-pull-image",
    weight: "cause",
    forms: [
      /CannotPull\w*(?:Error)?: |manifest (?:for \S+ not found|unknown|invalid)|manifest for .{1,200} not found|pull access denied|ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull/i,
      /toomanyrequests: |pull rate limit|(?:failed|unable|cannot|could not|error|trying) (?:to )?pull(?:ing)? .{0,60}image|Error pulling |failed to resolve (?:ref|reference|source metadata)|image .{0,200}(?:could not be pulled|pull failed)/i,
      /repository .{1,200} not found(?:: does not exist)?|name unknown: |no basic auth credentials|no matching manifest for|no match for platform in manifest|denied: (?:requested access|User: |Your authorization token|access forbidden)|unauthorized: (?:authentication|incorrect|access)|RepositoryNotFoundException|ImageNotFoundException/i,
      /image operating system .{0,40}cannot be used|Unable to find image .{0,200}locally$|No such image|failed to register layer|failed commit on ref|failed to copy: httpReadSeeker|failed to extract layer|error pulling image configuration|\/v2\/\S*(?:manifests|blobs)\/?\S*": (?:dial|net|context|EOF|unexpected|x509|read)/i,
      /unexpected status (?:code |from ).{0,200}\/v2\/|\/v2\/\S{1,200}\/(?:manifests|blobs)\/\S*:? .{0,60}(?:\b[45]\d\d\b|denied|[Uu]nauthorized|time|refused|EOF)|(?:docker\.io|ghcr\.io|quay\.io|nvcr\.io|public\.ecr\.aws|\.dkr\.ecr\.[\w.-]+)\/\S{1,200}.{0,60}(?:not found|denied|unauthorized|forbidden|time(?:d )?out|no such host)|Error response from daemon: (?:Get|Head) "?https?:\/\/\S+|invalid reference format|failed to (?:authorize|fetch (?:oauth|anonymous) token)/i,
    ],
  },
];
