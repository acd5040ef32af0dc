/**
 * The vocabulary of the panel: what the server extension sends and what other plugins may ask for.
 */
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

/** Which versions of a model a served entity selects. */
export interface ISelector {
  kind: 'active' | 'stage' | 'alias' | 'version';
  value: string | null;
}

/** A selector with its compute: what an endpoint serves. */
export interface IServedEntity {
  name: string;
  model: string;
  selector: ISelector;
  traffic: number;
  workload_size: string;
}

/** Why a version cannot serve: one named cause, a sentence and what to do next. */
export interface IFailure {
  cause: string;
  message: string;
  hint: string;
  log_tail: string[];
}

/** A step of becoming ready. */
export interface IPhase {
  name: string;
  seconds: number;
  done?: boolean;
  detail?: string;
}

/** A version that an endpoint serves or tries to serve. */
export interface IVersionStatus {
  model: string;
  version: string;
  entity: string;
  state: string;
  labels: string[];
  verdict: string | null;
  failure: IFailure | null;
  phases: IPhase[];
  urls: string[];
}

/** What serves now, and the change under way. */
export interface IEndpointStatus {
  service: 'PENDING' | 'READY' | 'FAILED';
  service_message: string;
  update: 'NOT_UPDATING' | 'IN_PROGRESS' | 'UPDATE_FAILED';
  update_message: string;
  versions: IVersionStatus[];
  urls: string[];
}

/** An endpoint as the API shows it. */
export interface IEndpoint {
  spec: { name: string; entities: IServedEntity[] };
  generation: number;
  status: IEndpointStatus;
}

/** One process of the instance. */
export interface IDaemon {
  state: string;
  pid: number | null;
  started_at: number;
}

/** The instance: its processes are shown as one thing. */
export interface IInstance {
  url: string;
  instance_id: string;
  version: string;
  gateway: IDaemon;
  controller: IDaemon;
  mlflow: IDaemon;
}

/** The answer of the server extension. */
export interface IStatus {
  running: boolean;
  instance: IInstance | null;
  endpoints: IEndpoint[];
}

/** How the panel reaches an instance; a seam for tests and for pages without a server. */
export interface IModelServeClient {
  /** What runs now. */
  status(): Promise<IStatus>;
  /** Start the instance and wait until it answers. */
  start(): Promise<IStatus>;
}

/** What the panel shows: exactly one of these. */
export type ViewState =
  | { kind: 'loading' }
  | { kind: 'stopped' }
  | { kind: 'starting' }
  | { kind: 'error'; message: string; hint: string }
  | { kind: 'running'; instance: IInstance; endpoints: IEndpoint[] };

/** The one model behind the panel. */
export interface IModelServeModel {
  /** The present state. */
  readonly state: ViewState;
  /** Emitted after every change of the state. */
  readonly stateChanged: ISignal<IModelServeModel, ViewState>;
  /** Look now. */
  refresh(): Promise<void>;
  /** Start the instance. */
  start(): Promise<void>;
}

/** Token of the model, for other plugins. */
export const IModelServeModel = new Token<IModelServeModel>(
  'jupyter-modelserve:IModelServeModel',
  'What is served: the instance and its endpoints, with a signal for changes.'
);
