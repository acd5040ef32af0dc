/**
 * The REST API as types. Written by scripts/docs.py from the OpenAPI document of the code; do not edit.
 *
 * Answers carry every field. Times are milliseconds since 1970, 0 stands for never.
 */

/** Every operation: method and path below the prefix. */
export type Operation =
  | 'GET /audit'
  | 'GET /catalogs'
  | 'POST /catalogs'
  | 'GET /catalogs/{name}'
  | 'PATCH /catalogs/{name}'
  | 'DELETE /catalogs/{name}'
  | 'POST /checks'
  | 'GET /checks/{check}'
  | 'DELETE /checks/{check}'
  | 'GET /compute/advice'
  | 'GET /effective/{kind}/{name}'
  | 'GET /endpoints'
  | 'PUT /endpoints/{name}'
  | 'GET /endpoints/{name}'
  | 'DELETE /endpoints/{name}'
  | 'GET /endpoints/{name}/events'
  | 'GET /endpoints/{name}/logs'
  | 'PUT /endpoints/{name}/secrets/{secret}'
  | 'DELETE /endpoints/{name}/secrets/{secret}'
  | 'GET /grants/{kind}/{name}'
  | 'PATCH /grants/{kind}/{name}'
  | 'PUT /groups/{name}/members/{member}'
  | 'DELETE /groups/{name}/members/{member}'
  | 'POST /interpreters'
  | 'GET /metastore'
  | 'PATCH /metastore'
  | 'GET /models'
  | 'GET /models/{name}'
  | 'PUT /models/{name}/aliases/{alias}'
  | 'DELETE /models/{name}/aliases/{alias}'
  | 'GET /models/{name}/lineage'
  | 'GET /models/{name}/versions/{version}'
  | 'DELETE /models/{name}/versions/{version}'
  | 'POST /models/{name}/versions/{version}/check'
  | 'GET /models/{name}/versions/{version}/check'
  | 'POST /models/{name}/versions/{version}/copy'
  | 'GET /models/{name}/versions/{version}/lineage'
  | 'GET /models/{name}/versions/{version}/openlineage'
  | 'GET /models/{name}/versions/{version}/proposal'
  | 'GET /notebook-runs'
  | 'GET /notebook-runs/{run}'
  | 'PUT /notebook-runs/{run}'
  | 'GET /openapi.json'
  | 'GET /outline'
  | 'PUT /owner/{kind}/{name}'
  | 'GET /principals'
  | 'POST /principals'
  | 'GET /principals/me'
  | 'DELETE /principals/{name}'
  | 'GET /schemas'
  | 'POST /schemas'
  | 'GET /schemas/{name}'
  | 'PATCH /schemas/{name}'
  | 'DELETE /schemas/{name}'
  | 'POST /secret-key/rotate'
  | 'POST /statements'
  | 'GET /status'
  | 'GET /tag-policies'
  | 'PUT /tag-policies/{name}'
  | 'DELETE /tag-policies/{name}'
  | 'GET /tokens'
  | 'POST /tokens'
  | 'DELETE /tokens/{token_id}'
  | 'GET /why/{kind}/{name}';

/** Compute that carries a load; `memory_gb` (GiB) is that of all replicas by the rule of REQ-118. */
export interface IAdvice {
  concurrency: number;
  workload_size: WorkloadSize;
  replicas: number;
  memory_gb: number;
}

/** One change. `at` is milliseconds since 1970, `client` the caller's user agent. */
export interface IAuditRecord {
  number: number;
  at: number;
  principal: string;
  client: string;
  request_id: string;
  action: string;
  securable_type: string;
  securable_name: string;
  version: string;
  before: string;
  after: string;
}

/** The first level of a name. Times are milliseconds since 1970. */
export interface ICatalog {
  name: string;
  comment: string;
  owner: string;
  created_at: number;
  created_by: string;
  updated_at: number;
  updated_by: string;
}

/** The one named cause of a failure (architecture §5). */
export type Cause =
  | 'files changed'
  | 'artifacts missing'
  | 'requirement unresolvable'
  | 'requirement unsupported'
  | 'python missing'
  | 'build failed'
  | 'build timed out'
  | 'missing module'
  | 'version conflict'
  | 'cannot unpickle'
  | 'out of memory'
  | 'load failed'
  | 'probe failed'
  | 'start-up timed out'
  | 'crashed'
  | 'engine rejected'
  | 'engine unavailable'
  | 'secret unreadable';

/** One check. `version` is empty before registration. `started_at` is milliseconds since 1970. */
export interface ICheck {
  id: string;
  model: string;
  version: string;
  source: string;
  state: CheckState;
  started_at: number;
  seconds: number;
  overrides: IOverrides;
  verdict: Verdict | null;
  failure: IFailure | null;
  environment: IEnvironment | null;
  phases: IPhase[];
  warnings: string[];
  missing: string[];
  digest: string;
  log: string;
}

/** A check before registration: `source` is a logged model (`models:/m-…`), `model` where it shall go. */
export interface ICheckRequest {
  model: string;
  source: string;
  overrides: IOverrides;
}

/** Where a check stands. */
export type CheckState = 'running' | 'passed' | 'failed' | 'cancelled';

/** When an endpoint holds its compute: all the time (REQ-010), or only while it is used. */
export type CostClass = 'all-purpose' | 'on-demand';

/** One of the daemons. `state` is running, starting or stopped. */
export interface IDaemonStatus {
  state: string;
  pid: number | null;
  started_at: number;
}

/** Whether a principal may do an operation on an object, and if not, all that is missing. */
export interface IDecision {
  allowed: boolean;
  principal: string;
  operation: string;
  securable_type: SecurableType;
  securable_name: string;
  missing: IMissingRight[];
}

/** A right that a principal holds on an object, and where it comes from. */
export interface IEffectivePrivilege {
  principal: string;
  privilege: string;
  inherited_from_type: SecurableType;
  inherited_from_name: string;
  through: string;
}

/** An endpoint as the API shows it. Times are milliseconds since 1970. */
export interface IEndpoint {
  spec: IEndpointSpec;
  generation: number;
  created_at: number;
  updated_at: number;
  created_by: string;
  status: IEndpointStatus;
  deleting: boolean;
  compute: IEntityCompute[];
}

/** What a user asks for. The reconciler makes it so. */
export interface IEndpointSpec {
  name: string;
  entities: IServedEntity[];
  request_timeout: number | null;
  unknown_columns: UnknownColumns | null;
  tags: Record<string, string>;
  engine: EngineChoice | null;
  environment_vars: Record<string, string>;
  secrets: string[];
}

/** The two tracks of the sources, with the versions behind them. */
export interface IEndpointStatus {
  service: ServiceState;
  service_message: string;
  update: UpdateState;
  update_message: string;
  observed_generation: number;
  versions: IVersionStatus[];
  urls: string[];
}

/** What runs the replicas of an endpoint. `auto`: Docker where it can be used, else processes. */
export type EngineChoice = 'process' | 'docker' | 'auto';

/** What one replica of a served entity may use: `cores`, `memory_gb` (GiB), `concurrency` requests at a time. */
export interface IEntityCompute {
  entity: string;
  cost_class: CostClass;
  concurrency: number;
  cores: number;
  memory_gb: number;
  limited: boolean;
}

/** A content-addressed environment: the interpreter that runs a version, a path inside `image` when there is one. */
export interface IEnvironment {
  key: string;
  kind: EnvironmentKind;
  interpreter: string;
  python_version: string;
  warnings: string[];
  image: string;
  chosen: string;
}

/** Where the interpreter of a version comes from. */
export type EnvironmentKind = 'borrowed' | 'built' | 'image';

/** One line of an endpoint's history. `number` grows by instance; `at` is milliseconds since 1970. */
export interface IEvent {
  number: number;
  at: number;
  endpoint: string;
  kind: string;
  message: string;
  model: string;
  version: string;
  data: Record<string, unknown>;
}

/** One named cause, one sentence, what to do next, and the last log lines. */
export interface IFailure {
  cause: Cause;
  message: string;
  hint: string;
  log_tail: string[];
}

/** A right as it was granted. `privilege` is its text, for example `EXECUTE` or `SET_ALIAS(Champion)`. */
export interface IGrant {
  principal: string;
  privilege: string;
  securable_type: SecurableType;
  securable_name: string;
  granted_by: string;
  granted_at: number;
}

/** What a statement of the grant language did: rows to show, or a sentence. */
export interface IGrantResult {
  message: string;
  grants: IGrant[];
}

/** Both daemons and the MLflow child, shown as one thing. `registry` grows with every change of the registry, `notebook_runs` with every change of a run of a notebook. */
export interface IInstanceStatus {
  url: string;
  instance_id: string;
  version: string;
  gateway: IDaemonStatus;
  controller: IDaemonStatus;
  mlflow: IDaemonStatus;
  endpoints: number;
  engine: string;
  isolation: string;
  registry: number;
  notebook_runs: number;
}

/** A part of the graph. `focus`: the nodes asked about; `truncated`: there is more than fits an answer. */
export interface ILineage {
  focus: string[];
  nodes: ILineageNode[];
  edges: ILineageEdge[];
  truncated: boolean;
}

/** `target` came from `source`. Times are milliseconds since 1970; `ended_at` 0 means that it still holds. */
export interface ILineageEdge {
  source: string;
  target: string;
  relation: Relation;
  at: number;
  ended_at: number;
  facts: Record<string, unknown>;
}

/** One thing. A withheld one exists, and the viewer may not know more; its `id` means nothing outside the answer. */
export interface ILineageNode {
  id: string;
  type: NodeType;
  name: string;
  facts: Record<string, unknown>;
  withheld: boolean;
  column: number;
  row: number;
}

/** A line that a version printed. `at`: milliseconds since 1970, 0 = not known; `replica`: the replica's id. */
export interface ILogLine {
  at: number;
  replica: string;
  model: string;
  version: string;
  text: string;
}

/** Lines of several logs by time, as data and as text; `next` is the cursor for what comes after them. */
export interface IMergedLog {
  logs: string;
  lines: ILogLine[];
  next: string;
}

/** The root of all catalogs, and the workspace through which this instance sees it (REQ-055, REQ-079). */
export interface IMetastore {
  id: string;
  name: string;
  owner: string;
  workspace: string;
  default_catalog: string;
  workspaces: string[];
}

/** One of `any_of` is needed on the object; `grantors` may grant it, `statement` would. */
export interface IMissingRight {
  any_of: string[];
  securable_type: SecurableType;
  securable_name: string;
  grantors: string[];
  statement: string;
}

/** A registered model with its versions, newest first. */
export interface IModel {
  name: string;
  description: string;
  created_at: number;
  updated_at: number;
  aliases: Record<string, string>;
  tags: Record<string, string>;
  versions: IModelVersion[];
}

/** A registered version as the registry's tables hold it. `location` is its artifact address. */
export interface IModelVersion {
  model: string;
  version: string;
  stage: string;
  location: string;
  source: string;
  run_id: string;
  created_at: number;
  status: string;
  description: string;
  aliases: string[];
  tags: Record<string, string>;
}

/** Kinds of things in the graph. An execution is one run of a notebook by a program, a run is MLflow's. */
export type NodeType =
  | 'dataset'
  | 'notebook'
  | 'execution'
  | 'output'
  | 'run'
  | 'logged model'
  | 'version'
  | 'model'
  | 'alias'
  | 'stage'
  | 'endpoint'
  | 'consumer';

/** One run of a notebook by `jupyter modelserve run`. Times are milliseconds since 1970, 0 stands for never. */
export interface INotebookRun {
  id: string;
  notebook: string;
  output: string;
  state: NotebookRunState;
  parameters: Record<string, unknown>;
  started_at: number;
  ended_at: number;
  failed: Record<string, unknown> | null;
  records: Record<string, Record<string, unknown>>;
  principal: string;
  number: number;
  left_out: string[];
}

/** Where a run of a notebook stands. */
export type NotebookRunState = 'running' | 'succeeded' | 'failed';

/** Every registered model, by name. `revision` is the newest change of the registry that it shows. */
export interface IOutline {
  revision: number;
  models: IOutlineModel[];
}

/** A registered model by name. `versions` are numbers, newest first; `stages` names those that have one. */
export interface IOutlineModel {
  name: string;
  versions: string[];
  aliases: Record<string, string>;
  stages: Record<string, string>;
}

/** What is tried without changing the model (REQ-127). */
export interface IOverrides {
  requirements: string[];
  remove: string[];
  python: string;
}

/** A step of becoming ready: resolve, environment, start, load, probe, ready. `seconds` grows until `done`. */
export interface IPhase {
  name: string;
  seconds: number;
  done: boolean;
  detail: string;
}

/** A user, a group (with its members) or a service principal. */
export interface IPrincipal {
  name: string;
  kind: PrincipalKind;
  display_name: string;
  created_at: number;
  created_by: string;
  members: string[];
  groups: string[];
  admin: boolean;
}

/** Who a grant may name. */
export type PrincipalKind = 'user' | 'group' | 'service_principal';

/** What an edge says of its source: a dataset was `read` by a run, a version was `copied` to another one. */
export type Relation =
  | 'read'
  | 'evaluated'
  | 'ran'
  | 'tracked'
  | 'wrote'
  | 'logged'
  | 'used'
  | 'registered'
  | 'copied'
  | 'belongs'
  | 'named'
  | 'served'
  | 'loaded';

/** The second level; `name` is `catalog.schema`. Times are milliseconds since 1970. */
export interface ISchema {
  name: string;
  comment: string;
  owner: string;
  created_at: number;
  created_by: string;
  updated_at: number;
  updated_by: string;
}

/** What a token may be used for. */
export type Scope = 'all' | 'score';

/** What a new key of secrets came to: its id, and how many secrets it seals that another key sealed before. */
export interface ISecretKeyRotation {
  key: string;
  renewed: number;
  unreadable: string[];
  unused: string[];
}

/** Objects that rights are granted on. A registered model is a FUNCTION, as in the sources (REQ-085). */
export type SecurableType =
  | 'METASTORE'
  | 'WORKSPACE'
  | 'CATALOG'
  | 'SCHEMA'
  | 'FUNCTION';

/** `active` (every version that is not archived), `stage=…`, `alias=…` or `version=…`. */
export interface ISelector {
  kind: SelectorKind;
  value: string | null;
}

/** Which versions of a model a served entity selects (architecture §2). */
export type SelectorKind = 'active' | 'stage' | 'alias' | 'version';

/** A selector with its compute; `cores` and `memory_gb` (GiB) of a replica count before the workload size. */
export interface IServedEntity {
  model: string;
  selector: ISelector;
  name: string;
  traffic: number;
  workload_size: WorkloadSize;
  replicas: number;
  cores: number | null;
  memory_gb: number | null;
  workload_type: WorkloadType;
  min_replicas: number | null;
  max_replicas: number | null;
  scale_to_zero: boolean;
}

/** What serves now (REQ-191, REQ-192). */
export type ServiceState = 'PENDING' | 'READY' | 'FAILED';

/** A token without its secret. Times are milliseconds since 1970; 0 = never. */
export interface ITokenInfo {
  id: string;
  principal: string;
  comment: string;
  scopes: Scope[];
  created_at: number;
  expires_at: number;
  last_used_at: number;
}

/** What happens to columns that the signature does not name. */
export type UnknownColumns = 'warn' | 'refuse' | 'ignore';

/** The change under way (REQ-167). */
export type UpdateState = 'NOT_UPDATING' | 'IN_PROGRESS' | 'UPDATE_FAILED';

/** What the probe before READY found. */
export type Verdict = 'passed' | 'none' | 'synthetic refused';

/** A version's latest checks: `check` of the model as it is, `trial` with overrides; null: there was none. */
export interface IVersionChecks {
  check: ICheck | null;
  trial: ICheck | null;
}

/** A version with what its files say. `problem` tells in one sentence why they cannot be read. */
export interface IVersionDetail {
  version: IModelVersion;
  problem: string;
  flavors: string[];
  python_version: string;
  mlflow_version: string;
  signature: Record<string, unknown> | null;
  example: unknown;
  requirements: string;
  mlmodel: string;
  files: IVersionFile[];
}

/** A file of a version: path below its directory, size in bytes. */
export interface IVersionFile {
  path: string;
  size: number;
}

/** Life of a version: in the controller (PENDING, BUILDING, STARTING), then in a replica. */
export type VersionState =
  | 'PENDING'
  | 'BUILDING'
  | 'STARTING'
  | 'LOADING'
  | 'PROBING'
  | 'READY'
  | 'FAILED'
  | 'UNLOADING'
  | 'SCALED_TO_ZERO';

/** A version that an endpoint serves or tries to serve. */
export interface IVersionStatus {
  model: string;
  version: string;
  entity: string;
  state: VersionState;
  labels: string[];
  serving: boolean;
  verdict: Verdict | null;
  failure: IFailure | null;
  phases: IPhase[];
  environment: IEnvironment | null;
  restarts: number;
  replicas: number;
  ready_replicas: number;
  urls: string[];
}

/** Compute sizes of the sources (REQ-169); the number is the concurrency of one replica. */
export type WorkloadSize = 'Small' | 'Medium' | 'Large';

/** Kind of processor behind an endpoint, in the words of databricks-sdk (REQ-119). */
export type WorkloadType =
  | 'CPU'
  | 'GPU_SMALL'
  | 'GPU_MEDIUM'
  | 'MULTIGPU_MEDIUM'
  | 'GPU_MEDIUM_8';
