/* Made by generate_types.py from jupyter_deploy/client/models.py: do not edit. */

/** The supervisor's own process; `note` says what it had to mend when it started. */
export interface SupervisorStatus {
  pid: number;
  version: string;
  started_at: number;
  home: string;
  note: string;
}

/** The gateway's processes, `processes` of them when all run. */
export interface GatewayStatus {
  pids: readonly number[];
  url: string;
  note: string;
  processes: number;
}

/** MLflow's tracking URI, the UI's URL when it runs, and the command that opens it. */
export interface RegistryStatus {
  tracking_uri: string;
  ui_url: string | null;
  open_with: string;
  pending: number;
}

/** Who made the version or a change, and where; times are not kept here. */
export interface Origin {
  user: string;
  via: string;
  notebook: string;
  cell: string;
  pid: number;
  pid_started: number;
}

/** One replica; `rss_bytes` is None until it has answered a heartbeat. */
export interface ReplicaStatus {
  replica_id: string;
  pid: number | null;
  state: string;
  restarts: number;
  rss_bytes: number | null;
}

/** One version in the history of an endpoint. */
export interface VersionStatus {
  version: string;
  state: string;
  mlflow_version: string;
  mlflow_uri: string;
  created_at: number;
  origin: Origin;
  why: string;
  reason: string;
  log: readonly string[];
  replicas: readonly ReplicaStatus[];
  previous: string | null;
  least_replicas: number;
  most_replicas: number;
  metrics: Record<string, number>;
  percent: number;
}

/** What an endpoint did lately: a rate of the last seconds, shares of the last minute. */
export interface Recent {
  per_second: number;
  p95_ms: number | null;
  error_share: number | null;
  step_seconds: number;
  line: readonly number[];
  failed_share: number | null;
}

/** The alias `active` as somebody else has put it. */
export interface MovedAlias {
  mlflow_version: string;
  version: string | null;
}

/** One endpoint; `state` is "serving", "degraded" or "stopped". */
export interface EndpointStatus {
  name: string;
  url: string;
  state: string;
  active: string | null;
  standby: string | null;
  generation: number;
  versions: readonly VersionStatus[];
  key_file: string | null;
  deploying: string | null;
  example: string | null;
  recent: Recent | null;
  moved_alias: MovedAlias | null;
}

/** All there is: `jupyter endpoint status --json`. */
export interface Status {
  supervisor: SupervisorStatus;
  gateway: GatewayStatus;
  registry: RegistryStatus;
  endpoints: readonly EndpointStatus[];
}

/** One named step of a deploy: state is "waiting", "running", "done", "skipped" or "failed". */
export interface StepStatus {
  name: string;
  state: string;
  seconds: number | null;
  detail: string;
}

/** How far a deploy is; `revision` grows with each change, for waiting on it. */
export interface DeployStatus {
  deploy_id: string;
  name: string;
  version: string;
  state: 'open' | 'running' | 'done' | 'failed' | 'aborted';
  revision: number;
  steps: readonly StepStatus[];
  problem: Record<string, unknown> | null;
  not_compiled: string;
}

/** `seconds` is the time from the request to the word of every gateway that it routes anew. */
export interface TrafficChanged {
  name: string;
  version: string;
  previous: string | null;
  generation: number;
  seconds: number;
  warm: boolean;
  note: string;
}

/** A key without its secret. */
export interface KeyStatus {
  key_id: string;
  consumer: string;
  endpoints: readonly string[];
  created_at: number;
  rate: string | null;
  expires_at: number | null;
  previous_until: number | null;
  revoked_at: number | null;
}

/** A new key or secret: the supervisor has written it to `file` (0600) and nowhere else. */
export interface IssuedKey {
  key: KeyStatus;
  file: string;
}

/** One request that failed on our side, by its id; `trace` is the model's own traceback. */
export interface RequestFailure {
  request_id: string;
  at: number;
  version: string;
  consumer: string;
  code: string;
  message: string;
  trace: string;
}

/** One change: who, what, when.  `generation` is the endpoint's after it. */
export interface AuditEntry {
  at: number;
  endpoint: string;
  generation: number;
  action: string;
  detail: string;
  origin: Origin;
}

/** Something that happened, in one sentence.  `number` grows by one. */
export interface Event {
  number: number;
  at: number;
  endpoint: string;
  version: string;
  kind: string;
  message: string;
}

/** The figures of a version, a consumer or all: one value for each point in time. */
export interface MetricsSeries {
  name: string;
  requests: readonly number[];
  errors_4xx: readonly number[];
  errors_5xx: readonly number[];
  p50_ms: readonly (number | null)[];
  p95_ms: readonly (number | null)[];
  p99_ms: readonly (number | null)[];
  waiting: readonly number[];
  replicas: readonly (number | null)[];
}

/** Something that happened in the window: `kind` is "deploy", "rollback" or "failure". */
export interface MetricsMark {
  at: number;
  kind: 'deploy' | 'rollback' | 'failure';
  version: string;
  text: string;
  what: string;
}

/** How often a version predicted what, beside its baseline: its answers to the sample. */
export interface PredictionCounts {
  version: string;
  of: 'classes' | 'values' | 'probabilities';
  names: readonly string[];
  counts: readonly number[];
  baseline: readonly number[];
}

/** What an endpoint did in a window: counts, times in milliseconds, and figures over time. */
export interface EndpointMetrics {
  name: string;
  requests: number;
  errors_4xx: number;
  errors_5xx: number;
  rows: number;
  waiting: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  window_seconds: number;
  start: number;
  step_seconds: number;
  total: MetricsSeries;
  versions: readonly MetricsSeries[];
  consumers: readonly MetricsSeries[];
  marks: readonly MetricsMark[];
  predictions: readonly PredictionCounts[];
}

/** The MLflow UI, on loopback. */
export interface RegistryUi {
  url: string;
  pid: number;
}

/** One column of a frame. */
export interface Column {
  name: string;
  type: 'integer' | 'float' | 'boolean' | 'string' | 'datetime' | 'object';
  dtype: string;
  nullable: boolean;
  minimum: number | null;
  maximum: number | null;
  categories: readonly string[] | null;
  closed: boolean;
  levels: readonly (string | number | number | boolean)[] | null;
  ordered: boolean;
  missing: string;
  integer_name: boolean;
}

/** An array without its first axis: `shape` is the shape of one row (() for a scalar). */
export interface Tensor {
  type: 'integer' | 'float' | 'boolean' | 'string' | 'datetime' | 'object';
  dtype: string;
  shape: readonly number[];
  nullable: boolean;
  container: string;
}

/** What comes back for each row. */
export interface Output {
  type: 'integer' | 'float' | 'boolean' | 'string' | 'datetime' | 'object';
  shape: readonly number[];
  classes: readonly (string | number | number | boolean)[] | null;
  probabilities: boolean;
}

/** What a version accepts (`form`, `columns` or `tensor`) and returns (`output`). */
export interface Contract {
  form: 'frame' | 'array' | 'any';
  columns: readonly Column[];
  tensor: Tensor | null;
  output: Output;
  strict: boolean;
}

/** What the active version takes: its contract, and the body of a request that works. */
export interface TryForm {
  name: string;
  version: string;
  contract: Contract;
  example: string | null;
}

/** An answer of an endpoint as it came: a problem document where `status` is not 200. */
export interface TryAnswer {
  status: number;
  body: Record<string, unknown>;
  version: string;
  request_id: string;
  seconds: number;
  timing: Record<string, number>;
}

/** One version of a registered model; `created_at` in seconds since the epoch. */
export interface RegistryVersion {
  version: string;
  created_at: number;
  aliases: readonly string[];
  deployed_as: string;
}

/** A registered model with its newest versions, newest first. */
export interface RegistryModel {
  name: string;
  versions: readonly RegistryVersion[];
}

/** The server extension: its release, its API's number, its Python and the root of its files. */
export interface About {
  version: string;
  api: number;
  python: string;
  root: string;
}

/** How far the deploy of a registered model is; `detail` and `fix` say why it failed. */
export interface RegistryDeploy {
  deploy_id: string;
  uri: string;
  name: string;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  steps: readonly StepStatus[];
  detail: string;
  fix: string;
}

/** Body of POST /api/endpoints/{name}/rollback and .../promote. */
export interface ChangeTraffic {
  version?: string | null;
  generation?: number | null;
}

/** Body of POST /api/keys; `endpoints` holds names; times in seconds. */
export interface CreateKey {
  consumer: string;
  endpoints: readonly string[];
  rate?: string | null;
  expires_seconds?: number | null;
}

/** Body of POST /api/keys/{key_id}/rotate: the old secret is good for `overlap_seconds` more. */
export interface RotateKey {
  overlap_seconds?: number;
}

/** Which registered model a person wants as a version of which endpoint. */
export interface RegistryOrder {
  uri: string;
  name: string;
  stage?: boolean;
}
