import type { LogRule } from "./rule.ts";

export const credentials: readonly LogRule[] = [
  {
    class: "credentials-expired",
    weight: "cause",
    forms: [
      /ExpiredToken|Expired(?:Authentication|Access|Id)Token|RequestExpired|TokenRefreshRequired|InvalidAuthenticationToken|UnrecognizedClient(?:Exception)?\b|InvalidClientTokenId|security token included in the request is (?:invalid|expired)/i,
      /(?:security |provided |access |refresh |session |sso |id |auth\w* |bearer |oauth |api |cached )?tokens? (?:included in the request )?(?:(?:has|have) (?:been )?|is |are |was )?(?:already )?expired|credentials? (?:(?:has|have) (?:been )?|is |are |were )?expired|(?:expired|stale) (?:\w+ )?(?:credentials?|tokens?)\b/i,
      /Request has expired|Signature (?:has )?expired|Signature not valid in the specified time frame|jwt expired|ExpiredSignature|certificate has expired|invalid_grant|AADSTS\d+.{0,120}expired/i,
      /SSO session .{0,60}expired|TokenRetrievalError|UnauthorizedSSOToken|SSOTokenLoadError|Error (?:when )?(?:retrieving|loading) (?:SSO )?token|session (?:has |is )expired|Token for .{1,60} (?:does not exist|is expired)|Reauthentication (?:is )?(?:needed|required)|credentials .{0,60}still expired|Refreshing temporary credentials failed/i,
    ],
  },
  {
    class: "credentials-expired",
    weight: "cause",
    confidence: "low",
    forms: [
      /NoCredentials(?:Error|Provider)?|PartialCredentialsError|Unable to (?:locate|load|find|obtain|fetch|retrieve|get) .{0,60}credentials|(?:Error|Failed|Failure) (?:when |to |while )?(?:retriev|load|refresh|obtain|fetch|get|renew)\w* .{0,60}credentials|CredentialRetrievalError|Credentials?(?:Provider|Unavailable|NotFound|s?NotReady)\w*(?:Error|Exception)|Missing credentials in config|Could not (?:load|find|retrieve|refresh) .{0,40}credentials|RefreshError|no valid (?:providers in chain|credential)/i,
      /InvalidAccessKeyId|AWS Access Key Id you provided does not exist|SignatureDoesNotMatch|InvalidSignatureException|RequestTimeTooSkewed|AuthFailure\b/,
    ],
  },
];

/** What Batch, ECS, Step Functions and schedulers of others say, where it came by a log. */
export const platform: readonly LogRule[] = [
  {
    class: "spot-reclaim",
    weight: "cause",
    forms: [
      /Host EC2(?: \(instance i-[0-9a-f]+\))? terminated|SpotInterruption|SpotInstance(?:Termination|Shutdown)|EC2 Spot Instance Interruption|instance-(?:terminated|stopped)-(?:by-price|no-capacity|capacity-oversubscribed)|marked-for-(?:termination|stop)/i,
      /spot (?:instance |VM |node )?(?:interruption|termination|preemption|reclaim\w*) (?:notice|warning|detected|received|signal|event)|spot (?:instance|task|node|VM|host)s? .{0,20}(?:was |is being |has been |will be |were |got )?(?:interrupted|reclaimed|terminated|preempted|evicted)/i,
      /(?:instance|node|VM|job|task|worker|machine|pod) (?:was |is |has been |is being |will be |got )(?:\w+ )?(?:preempted|reclaimed)|\bpreempt(?:ion|ed) (?:notice|signal|event|warning|detected|received)|DUE TO (?:PREEMPTION|JOB REQUEUE)|BidEvicted|\bspot\b.{0,40}\b(?:interrupt\w*|preempt\w*|reclaim\w*|evict\w*)\b.{0,40}\b(?:received|detected|payload|imminent|pending|action)|(?:instance|node|host|VM|machine) (?:is |will |has )?(?:going to be |about to be |be |been )(?:interrupted|preempted|reclaimed|evicted)|two[- ]minute (?:warning|notice)|(?:spot|preempt)\w* .{0,40}(?:is|was) (?:about to be |being )?(?:interrupted|reclaimed)/i,
      /interruption notice|(?:notice|warning) .{0,20}spot .{0,20}(?:interruption|termination)|received .{0,20}\b(?:preemption|interruption)\b/i,
    ],
  },
  {
    class: "job-timeout",
    weight: "cause",
    forms: [
      /Job attempt duration exceeded timeout|DUE TO TIME LIMIT|(?:job|execution|run|attempt(?:id)?|stage|activity)\b.{0,60}\btimed[- ]out\b|\bStates\.(?:Heartbeat)?Timeout\b|MaxRuntimeExceeded|MaxWaitTimeExceeded|DeadlineExceeded\b.{0,60}(?:job|deadline)|active longer than (?:the )?specified deadline/i,
      /exceed(?:ed|s|ing) (?:the |its |a |of )?(?:\w+ ){0,2}(?:wall[- ]?clock(?: time)?|wall[- ]?time|time|run ?time|running time|execution time|duration)(?: limit| allowed)?\b(?! error)|walltime \d+ exceeded limit|TERM_RUNLIMIT|(?:run|running|wall|time|job) ?time ?limit .{0,20}(?:reached|exceeded|expired|hit)|job (?:has )?(?:exceeded|reached) (?:its |the )?(?:time ?out|time limit|max)/i,
      /(?:job|execution|workflow) (?:was |has )?(?:been )?(?:timed out|(?:killed|terminated|stopped|cancell?ed) (?:due to|because of|after|by) (?:the |a )?(?:\w+ )?time-?out)|timeout: sending signal TERM|state\/task exceeded the maximum duration/i,
    ],
  },
  {
    class: "capacity-never-available",
    weight: "cause",
    forms: [
      /\b(?:MISCONFIGURATION|CAPACITY):[A-Z][A-Z_]+|\bRESOURCE:(?:MEMORY|CPU|GPU|PORTS|ENI|FPGA)\b|Insufficient (?:memory|cpu|gpu|vcpu)s?(?: units)? available|CE\(s\) associated with the job queue/i,
      /Insufficient(?:Instance|Host|ReservedInstance|Reserved|CapacityBlock)?Capacity\w*|VcpuLimitExceeded|MaxSpotInstanceCountExceeded|SpotMaxPriceTooLow|UnfulfillableCapacity|InstanceLimitExceeded|ReservationCapacityExceeded|InsufficientFreeAddressesInSubnet|capacity-not-available|price-too-low|ZONE_RESOURCE_POOL_EXHAUSTED|STOCKOUT\b/i,
      /(?:do|does) not (?:currently )?have (?:sufficient|enough) .{1,80}(?:capacity|resources available)|reached the limit on the number of|have requested more (?:vCPU|instance|capacity) .{0,60}than your current|(?:Insufficient|insufficient|no available|not enough|lack of|out of) (?:\w+ )?capacity\b|capacity is (?:currently )?(?:un|not )available|There is no Spot capacity|Max spot instance count exceeded/i,
      /Launching EC2 instance failed|Failed (?:RunInstances|CreateFleet|StartInstances|RequestSpot\w+)\b|[Ff]ailed to (?:launch|start|create|acquire|allocate|provision|request) .{0,60}\b(?:nodes|instances?|capacity|spot|VMs?)\b|Could not launch (?:Spot|On-Demand|\d+|\w+) ?Instances|couldn't launch .{0,40}instances?|no container instances? (?:met|were found)|unable to place (?:a )?tasks?|resource (?:CPU|memory|GPU|ports?) was insufficient|(?:CPU|memory|GPU)s? (?:units )?(?:is |are |was )?insufficient to place|\d+\/\d+ nodes are available|nodes are available: |FailedScheduling|Insufficient nvidia\.com\/gpu|is not supported in your requested Availability Zone|Unable to fulfill capacity/i,
      /(?:stuck|waiting|remained|blocked) in RUNNABLE|Not started within \d+ min|quota .{0,60}(?:exceeded|reached).{0,60}(?:instances?|vCPUs?|GPUs?)|(?:instances?|vCPUs?|GPUs?) quota .{0,20}exceeded|is higher than that can be met|cannot (?:meet|satisfy) the (?:CPU|memory|GPU|resource)/i,
    ],
  },
  {
    class: "host-terminated-other",
    weight: "cause",
    forms: [
      /DockerTimeout(?:Error)?\b|ContainerRuntimeTimeout|Cannot(?:Inspect|Stop|Kill|List|Describe|Remove)Container(?:Error)?|Could not transition to \w+; timed out|CgroupError|Agent could not create|Cannot connect to the Docker daemon|Is the docker daemon running/i,
      /Task stopped during instance draining|performing maintenance on the underlying|container instance .{0,60}(?:draining|deregist|terminated|disconnected)|instance (?:is being |has been |was )?(?:retired|retiring)|scheduled for (?:retirement|maintenance)|Instance terminated by (?:user|auto)|Scaling activity initiated|terminated by .{0,30}(?:auto ?scaling|scale[- ]?in)|taken out of service .{0,60}(?:scale|shrink|health|status)/i,
      /DUE TO NODE FAILURE|\bNODE_FAIL\b|(?:node|host|instance|machine) .{0,60}(?:is|was|has been|marked as?|went|has) (?:lost|dead|down|unreachable|not ready|unresponsive|rebooted|shut ?down|failed (?:the )?(?:system|instance)? ?(?:health|status) checks?)\b|NodeNotReady|NodeLost|lost communication with (?:node|the server|the host)|(?:EC2 )?(?:instance|system) status checks? failed|system is going down|TerminationByKubelet|Agent disconnected|connecting to (?:ACS|TCS)\b|ecs-agent.{0,60}(?:unreachable|disconnected|not running|timed out)/i,
    ],
  },
  {
    class: "batch-api-error",
    weight: "cause",
    forms: [
      /not authorized to perform: (?:batch|ecs|iam:PassRole|sts:AssumeRole|logs)|ECS was unable to assume|Container Overrides length must|JobDefinition .{1,200} is not in ACTIVE status|(?:Job ?Queue|Job ?Definition|Compute ?Environment)s? .{0,200}(?:does not exist|not found|not in ENABLED|is disabled|went INVALID|is (?:not )?(?:in)?valid|INVALID)\b/i,
      /\b(?:CLIENT_ERROR|INTERNAL_ERROR) - |\bBatch\.(?:Client|Server|AWSBatch)\w*Exception|AWSBatchException|batch\.model\.\w+Exception|^(?:\w+\.)*(?:ClientException|ServerException): /,
      /ResourceInitializationError: |Error executing request, Exception : .{0,300}(?:AWSBatch|JobQueue|JobDefinition)/,
    ],
  },
  {
    class: "batch-api-throttled",
    weight: "cause",
    forms: [
      /TooManyRequestsException|Batch\.TooManyRequests|Throttling(?:Exception|Error)?: |ThrottlingException|ThrottledException|RequestThrottled|RequestLimitExceeded|Request limit exceeded|\bRate exceeded\b|Status Code: 429|(?:Batch|SubmitJob|DescribeJobs|ListJobs|RegisterJobDefinition).{0,80}(?:Too Many Requests|\b429\b|throttl)/i,
    ],
  },
  {
    class: "sfn-error",
    weight: "cause",
    forms: [
      /\bStates\.(?!TaskFailed\b|ALL\b)[A-Z]\w+|An error occurred while executing the state '|entered at the event id #\d+|maximum number of (?:history )?events|with a size exceeding|JSONPath '.{1,200}' could not be found|The JsonPath|Invalid path '|condition path references an invalid value/i,
      /Runtime\.(?:Exit|ImportModule|Handler|Unhandled|Invalid)\w*|Sandbox\.Timedout|Lambda\.(?:\w+(?:Exception|Error)|Unknown|Timeout)\b|\bLambda function\b.{0,40}(?:timed out|failed|error)|(?:not authorized to|authorized to) perform: states:|not authorized to (?:create managed-rule|assume the provided role)|Task timed out after \d+\.\d+ seconds|Process exited before completing request|RequestId: \S+ (?:Error: Runtime|Process) exited/i,
      /(?:State ?Machine|Execution)(?:DoesNotExist|AlreadyExists|LimitExceeded|Deleting)|InvalidExecutionInput|ExecutionFailed\b|step ?functions?.{0,60}(?:execution (?:failed|aborted)|error)/i,
    ],
  },
  {
    class: "cancelled/terminated-by-user",
    weight: "cause",
    forms: [
      /(?:job|task|run|process|execution|workflow|training|request)\b.{0,60}(?:cancell?ed|killed|terminated|aborted|stopped)\b.{0,20}\b(?:by|from|via|on) (?:the |a |an )?(?:\S+ )?(?:user|operator|admin\w*|NF\b|owner|request|client|console|API|CLI|UI|person)\b/i,
      /^(?:\S+ )?(?:cancell?ed|killed|terminated|aborted|stopped) (?:manually )?(?:by|via|from) \S|\*\*\* (?:JOB|STEP) \S+ .{0,60}CANCELLED|Job killed by NF|user[- ](?:requested|initiated|triggered) (?:cancel|terminat|abort|stop|shutdown)|(?:cancel\w*|terminat\w*|abort|stop) (?:was )?requested by|scancel\b|User canceled|manually (?:cancell?ed|stopped|terminated|aborted|killed)/i,
    ],
  },
  {
    class: "cancelled/terminated-by-user",
    weight: "symptom",
    confidence: "low",
    forms: [
      /^(?:\[rank\d+\]: ?)?KeyboardInterrupt\b|\binterrupted by (?:the )?user\b|\b(?:received|caught|got|handling|with)\b.{0,30}\b(?:SIGINT|keyboard interrupt|KeyboardInterrupt|Signals\.SIGINT|signal:? 2\b)|\bSIGINT (?:received|caught)|Detected KeyboardInterrupt|\^C$/i,
      /^(?:the )?(?:job|run|task|training|execution|workflow) (?:was |has been |is )?(?:cancell?ed|aborted|stopped|terminated)\.?$/i,
    ],
  },
];
