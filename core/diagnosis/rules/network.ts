import type { LogRule } from "./rule.ts";

/** Processes that lost each other; often of a cause that one of them told before. */
export const network: readonly LogRule[] = [
  {
    class: "nccl/network-timeout",
    weight: "symptom",
    forms: [
      /collective operation timeout|nccl(?:System|Internal|Remote|UnhandledCuda|InvalidUsage|InvalidArgument|InProgress)(?:Error)?\b|ncclComm\w* .{0,20}(?:fail|abort|error)|ncclCommWatchdog|taking the entire process down|Work(?:NCCL|Gloo|UCC)\(.{0,200}timed? ?out/i,
      /NCCL (?:communicator was aborted|error|watchdog|timeout|timed out|failure|fail\w*|operations? (?:have |has )?failed|work:? .{0,20}timed|backend .{0,30}(?:error|fail))|(?:Timeout|Error|failed|hang) (?:at|in|on|from) NCCL|DistBackendError|\bDist(?:Store|Network)Error\b|unhandled (?:system|cuda) error\b|NCCL (?:operation|call|collective|kernel) .{0,80}(?:fail|error|abort|timed)|may be stuck: |waiting for all participants|Exception \(either an error or timeout\) detected/i,
      /NCCL WARN (?:Cuda failure|Duplicate GPU)|NCCL WARN .{0,200}(?:socket|connect|peer|timed? ?out|Net|NET|closed|refused|failed|error|bootstrap|unreachable|mismatch|abort|Missing|No )/i,
      /ProcessGroup(?:NCCL|Gloo|MPI|UCC).{0,160}(?:watchdog|timeout|timed out|hang|heartbeat|stuck|abort|terminat|exception)|Process group watchdog thread|Heartbeat monitor timed out|FlightRecorder.{0,60}timeout|checkTimeout at/i,
      /Got completion from peer .{0,80} with (?:error|status)|ibv_\w+ .{0,60}(?:fail|error)|mlx5_\d+.{0,60}(?:error|async event|fatal)|IBV_WC_\w+_ERR|UCX +(?:ERROR|FATAL)|NET\/(?:OFI|IB|Socket|AWS|UCX)\b.{0,120}(?:unexpected|error|fail|timed? ?out|unreachable|completed with|mismatch)|\bEFA\b.{0,80}(?:error|fail|unreachable)|fi_\w+ .{0,40}(?:failed|error)/i,
    ],
  },
  {
    class: "nccl/network-timeout",
    weight: "symptom",
    forms: [
      /Connection closed by (?:remote )?peer|(?:client|server) socket has (?:timed out|failed)|RuntimeError: (?:Socket Timeout|[Ww]ait [Tt]imeout|[Tt]imed out|Broken pipe|Connection \w+|Interrupted system call|Stop_waiting response)|Socket Timeout\b|wait timeout after \d+ms|Timed out (?:initializing process group|after \d+ ?\w+ waiting for|waiting for)|store[- ]based barrier|network addresses of \(.{1,100}\) cannot be retrieved/i,
      /Rendezvous(?:Timeout|Connection|Closed|State|Graceful\w*)?Error|rendezvous.{0,60}(?:timed? ?out|timeout|closed|fail)|TCPStore|HashStore.{0,20}time|FileStore.{0,20}time|\bgloo\b.{0,200}(?:timed? ?out|connection|reset|refused|fail|closed|error)|connectFullMesh|sendBytes failed|recvValue failed|c10d.{0,120}(?:failed to connect|timed out|broken pipe|connection|barrier|fail)/i,
      /HorovodInternalError|Horovod.{0,60}(?:timed? ?out|fail|stall)|MPI_ERR\w*|MPI_ABORT|ORTE (?:has lost|was unable)|lost communication with .{0,40}(?:daemon|rank|process)|Barrier timed out|collective .{0,40}(?:timed? ?out|mismatch|aborted|hang)|Collective ops? is aborted|monitoredBarrier|allreduce .{0,40}(?:timed? ?out|fail)/i,
      /coordination ?service.{0,120}(?:error|unavailable|timed|timeout|heartbeat|fail|shut)|(?:missed|missing) heartbeats?|heartbeat (?:timeout|timed out|lost)|jax\.distributed.{0,80}(?:fail|timeout|error)|(?:peer|rank|worker|remote) .{0,40}(?:disconnected|unreachable|connection lost|is dead|not responding|did not respond)|ActorUnavailableError/i,
      /No route to host|no socket interface found|socket(?:Poll|Start|Finish)Connect|socketProgress|socketTryAccept|connect to \S{1,80}<\d{1,5}> (?:failed|returned)|failed to (?:bind|listen on) .{0,60}(?:port|address|socket)|EADDRINUSE|Address already in use/i,
    ],
  },
  {
    class: "nccl/network-timeout",
    weight: "symptom",
    confidence: "low",
    forms: [
      /Connection (?:was )?(?:reset|aborted|refused|closed|timed out|broken|lost|error)|\bConnectionError\b|Network is (?:unreachable|down)|\[Errno 1(?:01|03|04|10|11|13)\]|\[Errno 32\] Broken pipe|BrokenPipeError|RemoteDisconnected|NewConnectionError/i,
      /(?:Read|Connect|Connection|Write|Pool)Timeout(?:Error)?\b|\b(?:Read|Operation|Request|connection|connect|socket\.timeout:?) timed out|socket\.timeout|TimeoutError: (?:timed out|\[Errno)|Max retries exceeded with url|\bSSLError\b|EOF occurred in violation of protocol|SSL: [A-Z_]{4,}/,
      /Temporary failure in name resolution|Name or service not known|nodename nor servname|Could not resolve host|getaddrinfo|gaierror|no such host|i\/o timeout|TLS handshake timeout/i,
      /DEADLINE_EXCEEDED|\bUNAVAILABLE: |StatusCode\.UNAVAILABLE|failed to connect to all addresses|\bECONN(?:RESET|REFUSED|ABORTED)\b|\bETIMEDOUT\b|\bENOTFOUND\b|\bEAI_AGAIN\b|\bEPIPE\b|\bEHOSTUNREACH\b|50[24] (?:Bad Gateway|Gateway Time-?out)/,
    ],
  },
];
