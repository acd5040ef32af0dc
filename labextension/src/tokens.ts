/**
 * The vocabulary of the panel that is not in the REST API, and what other plugins may ask for.
 */
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { IEndpoint, IInstanceStatus, Operation } from './api';

/** The answer of the server extension. */
export interface IStatus {
  running: boolean;
  instance: IInstanceStatus | null;
  endpoints: IEndpoint[];
}

/** Values for the names in an operation's path, its query and its body. */
export interface ICallOptions {
  path?: Record<string, string>;
  query?: Record<string, string | number>;
  body?: unknown;
  headers?: Record<string, string>;
}

/** The answer to a scoring request, refusals included. */
export interface IScored {
  status: number;
  statusText: string;
  milliseconds: number;
  body: string;
  warning: string;
  model: string;
  version: string;
}

/** What a ready client is made from. */
export interface ISnippetRequest {
  language: 'curl' | 'python' | 'powerbi';
  path: string;
  reference: string;
  body: string;
}

/** A model's folder, as the file browser shows it, and what to register it as. */
export interface IFolderRequest {
  path: string;
  name: string;
  alias: string;
  description: string;
}

/** A new version. */
export interface IRegistered {
  name: string;
  version: string;
}

/** How the panel reaches an instance; a seam for tests and for pages without a server. */
export interface IModelServeClient {
  /** What runs now. */
  status(): Promise<IStatus>;
  /** Start the instance and wait until it answers. */
  start(): Promise<IStatus>;
  /** Call an operation of the instance's own API. */
  call<T>(operation: Operation, options?: ICallOptions): Promise<T>;
  /** Call MLflow's REST API, for example `POST registered-models/alias`. */
  mlflow<T>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    values: Record<string, unknown>
  ): Promise<T>;
  /** Send a scoring request; a refusal is an answer as well. */
  score(path: string, body: string, contentType: string): Promise<IScored>;
  /** Register a model's folder of the Jupyter server. */
  registerFolder(request: IFolderRequest): Promise<IRegistered>;
  /** A ready client in another language. */
  snippet(request: ISnippetRequest): Promise<string>;
  /** The gateway's counters in Prometheus' text format. */
  metrics(): Promise<string>;
}

/** What the panel shows: exactly one of these. */
export type ViewState =
  | { kind: 'loading' }
  | { kind: 'stopped' }
  | { kind: 'starting' }
  | { kind: 'error'; message: string; hint: string }
  | { kind: 'running'; instance: IInstanceStatus; endpoints: IEndpoint[] };

/** The model behind the panel: the instance and what it serves. */
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
