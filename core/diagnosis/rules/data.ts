import type { LogRule } from "./rule.ts";

const remote = "(?:s3|s3a|s3n|gs|gcs|az|abfss?)://";

/** What the trainer reads, and where from. */
export const data: readonly LogRule[] = [
  {
    class: "data-loader/s3",
    weight: "cause",
    forms: [
      /S3(?:UploadFailed|TransferFailed|DownloadFailed)Error|AmazonS3Exception|S3Exception\b|services\.s3\.|\bNoSuch(?:Key|Bucket|Upload)\b|\bSlow ?Down\b|\b(?:InvalidObjectState|BadDigest|InvalidRange|PermanentRedirect|AuthorizationHeaderMalformed|KMS\.\w+Exception|ConditionalRequestConflict|EntityTooLarge)\b|Please reduce your request rate|We encountered an internal error|Your socket connection to the server was not read/i,
      /AWS Error \w+ during \w+ operation|fatal error: An error occurred \(\w+\)|(?:download|upload|copy|move) failed: .{0,200}\bs3:|s3torchconnector|mountpoint[_-]s3|mount-s3|The specified (?:key|bucket) does not exist|not authorized to perform: s3:|\bcurlCode: \d+/i,
    ],
  },
  {
    class: "data-loader/s3",
    weight: "cause",
    forms: [
      /time(?:d )?out on endpoint URL|\bS3 (?:bucket|object|key|upload|download|access|request|client|error|path|URI|prefix)s?\b.{0,100}(?:\bnot\b|denied|error|fail|forbid|cannot|invalid|timed? ?out|missing)|(?:error|failed|unable|cannot|denied)\b.{0,60}\bS3\b|(?:endpoint URL|Endpoint|host(?:=|: ?)|url:?).{0,40}(?:s3[.\w-]*\.amazonaws\.com|\.s3[.-])|\bs3[.\w-]*\.amazonaws\.com\b.{0,200}(?:timed? ?out|refused|reset|failed|error)|(?:error|failed|timed? ?out|refused|reset|exceeded).{0,200}\bs3[.\w-]*\.amazonaws\.com\b/i,
      /(?:ReadTimeout|ConnectTimeout|EndpointConnection|ConnectionClosed|IncompleteRead|ResponseStreaming|HTTPClient|ConnectionError|ProxyConnection|SSLError)(?:Error)?\b.{0,200}(?:\bs3\b|amazonaws|botocore)|botocore\.exceptions\.(?:ReadTimeout|ConnectTimeout|EndpointConnection|ConnectionClosed|IncompleteRead|ResponseStreaming|HTTPClient|Connection|SSL|FlexibleChecksum|ProxyConnection)Error|Could not connect to the endpoint URL/i,
      /IncompleteRead(?:Error)?\b|FSTimeoutError|(?:aiohttp|aiobotocore|s3fs|fsspec|gcsfs)\.\S{0,80}(?:Timeout|Disconnected|Payload|Connection|Response|Http)\w*(?:Error)?|Server ?Disconnected ?Error|ClientPayloadError|ContentLengthError/i,
      /DataLoader timed out after|webdataset\b.{0,120}(?:error|exception|failed)|litdata\b.{0,60}(?:error|exception|timed? ?out|failed)|TFRecord\w* .{0,40}(?:corrupt|truncat|error)|corrupted? (?:record|shard|parquet|tar|tfrecord|image)/i,
      /datasets\.exceptions\.\w+|DatasetGeneration\w*Error|DatasetNotFoundError|DataFilesNotFoundError|huggingface_hub\.(?:utils\._)?err\w*\.\w+|Couldn't reach .{0,120}(?:on the Hub|\(|http)|We couldn't connect to '?https|OfflineModeIsEnabled/i,
    ],
  },
  {
    class: "data-loader/s3",
    weight: "cause",
    confidence: "low",
    forms: [
      /(?:PermissionError|ClientError|OSError): (?:Access Denied|Forbidden)|\bHTTP ?Error:? (?:4(?!00|01)\d\d|5\d\d)|\b(?:403|404|429|5\d\d) (?:Client|Server) Error|(?:status code|HTTP code|response code|HTTP status)[ :=]{1,3}(?:403|404|429|5\d\d)\b/i,
      /UnidentifiedImageError|cannot identify image file|image file is truncated|broken data stream when reading image|tarfile\.\w*(?:Error)|zlib\.error: |lzma\.LZMAError|gzip\.BadGzipFile|Compressed file ended before|Parquet magic bytes not found|ArrowInvalid|moov atom not found|DecompressionBombError/i,
      /\[Errno (?:5|24|107|112|116)\]|Too many open files|received 0 items of ancdata|Stale (?:NFS )?file handle|Transport endpoint is not connected|Input\/output error|(?:mount\.nfs4?|EFS utils|lustre\w*|fsx)\b.{0,80}(?:error|fail|timed? ?out|reset|denied|No such)/i,
      /HfHubHTTPError|(?:Repository|LocalEntry|Entry|Revision)NotFoundError|GatedRepoError|google\.(?:api_core|cloud)\.\S{0,40}exceptions\.\w+|azure\.core\.exceptions\.\w+|curl: \(\d+\)|gsutil\b.{0,200}\bexit [1-9]/i,
    ],
  },
  {
    class: "data-loader/s3",
    weight: "symptom",
    forms: [
      new RegExp(
        `(?:Error|Exception|[Ff]ail\\w*|[Uu]nable to|[Cc](?:ould|an) ?not|denied|forbidden|not found|time(?:d )?out|does not exist|exit \\d+).{0,200}(?:${remote}|\\bs3fs\\b|\\bgcsfs\\b)`,
      ),
      new RegExp(
        `${remote}\\S{0,300}.{0,100}(?:Error|Exception|[Ff]ailed|denied|[Ff]orbidden|not found|time(?:d )?out|does not exist|Broken pipe|exit [1-9])`,
      ),
    ],
  },
  {
    class: "data-loader/s3",
    weight: "symptom",
    confidence: "low",
    forms: [
      /\b(?:Connection\w*|Timeout\w*|HTTP\w*|Protocol\w*|Client\w*|Socket\w*|OS|IO)Error: Caught \w+ in DataLoader worker|FileNotFoundError: (?:https?|ftp):\/\//,
      /(?:Error|Exception|failed|aborted|timed out|refused|reset)\b.{0,300}https?:\/\/\S{0,200}\/(?:datasets?|resolve|data|download\w*)\/|thrown while requesting (?:GET|HEAD)/i,
      /DataLoader worker \(pid\(?s?\)? ?[\d, ]+\) exited unexpectedly/i,
    ],
  },
];
