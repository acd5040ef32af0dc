import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Operation } from './api';
import type {
  ICallOptions,
  IFolderRequest,
  IModelServeClient,
  IRegistered,
  IScored,
  ISnippetRequest,
  IStatus
} from './tokens';

const ROOT = 'jupyter-modelserve';

/** A refusal of the server, in the one error shape of the product. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly hint: string = ''
  ) {
    super(message);
    this.name = 'RequestError';
  }
}

/** Status of a response that never came. */
export const NO_RESPONSE = 0;

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Turn any failed answer into a RequestError; a body that is not ours leaves only the status. */
async function refusal(response: Response): Promise<RequestError> {
  const body: unknown = await response.json().catch(() => null);
  const shape = isRecord(body) ? body : {};
  const details = isRecord(shape.details) ? shape.details : {};
  return new RequestError(
    text(shape.message) || `${response.status} ${response.statusText}`.trim(),
    response.status,
    text(shape.error_code),
    text(details.hint)
  );
}

function isStatus(value: unknown): value is IStatus {
  return (
    isRecord(value) &&
    typeof value.running === 'boolean' &&
    Array.isArray(value.endpoints)
  );
}

/** `{name}` in a path replaced by its value, as one segment each. */
export function fill(path: string, values: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_, key: string) =>
    encodeURIComponent(values[key] ?? '')
  );
}

function queryOf(values: Record<string, unknown>): string {
  const pairs = Object.entries(values).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((each): [string, string] => [
      key,
      String(each)
    ])
  );
  const found = new URLSearchParams(pairs).toString();
  return found && `?${found}`;
}

/** Speaks to our Jupyter Server extension with the identity of the logged-in user. */
export class RestClient implements IModelServeClient {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** What runs now. */
  status(): Promise<IStatus> {
    return this.panel('status', { method: 'GET' });
  }

  /** Start the instance and wait until it answers. */
  start(): Promise<IStatus> {
    return this.panel('start', { method: 'POST' });
  }

  /** Call an operation of the instance's own API. */
  call<T>(operation: Operation, options: ICallOptions = {}): Promise<T> {
    const [method, path] = operation.split(' ');
    const below = fill(path, options.path ?? {}) + queryOf(options.query ?? {});
    return this.json(`api/v1${below}`, method, options.body, options.headers);
  }

  /** Call MLflow's REST API. */
  mlflow<T>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    values: Record<string, unknown>
  ): Promise<T> {
    const address = `api/2.0/mlflow/${path}`;
    return method === 'GET'
      ? this.json(address + queryOf(values), method)
      : this.json(address, method, values);
  }

  /** Send a scoring request; a refusal is an answer as well. */
  async score(
    path: string,
    body: string,
    contentType: string
  ): Promise<IScored> {
    const started = performance.now();
    const response = await this.send(path.replace(/^\//, ''), {
      method: 'POST',
      body,
      headers: { 'Content-Type': contentType }
    });
    const answer = await response.text();
    return {
      status: response.status,
      statusText: response.statusText,
      milliseconds: performance.now() - started,
      body: answer,
      warning: response.headers.get('warning') ?? '',
      model: response.headers.get('x-modelserve-model') ?? '',
      version: response.headers.get('x-modelserve-version') ?? ''
    };
  }

  /** Register a model's folder of the Jupyter server. */
  registerFolder(request: IFolderRequest): Promise<IRegistered> {
    return this.json('lab/register', 'POST', request);
  }

  /** A ready client in another language. */
  async snippet(request: ISnippetRequest): Promise<string> {
    const found = await this.json<unknown>('lab/snippet', 'POST', request);
    return isRecord(found) ? text(found.text) : '';
  }

  /** The gateway's counters. */
  async metrics(): Promise<string> {
    const response = await this.send('metrics', { method: 'GET' });
    if (!response.ok) {
      throw await refusal(response);
    }
    return response.text();
  }

  private async panel(path: string, init: RequestInit): Promise<IStatus> {
    const response = await this.send(`lab/${path}`, init);
    if (!response.ok) {
      throw await refusal(response);
    }
    const body: unknown = await response.json();
    if (!isStatus(body)) {
      throw new RequestError('', response.status, 'UNKNOWN_ANSWER');
    }
    return body;
  }

  private async json<T>(
    path: string,
    method: string,
    body?: unknown,
    headers: Record<string, string> = {}
  ): Promise<T> {
    const response = await this.send(path, {
      method,
      ...(body === undefined
        ? { headers }
        : {
            body: JSON.stringify(body),
            headers: { ...headers, 'Content-Type': 'application/json' }
          })
    });
    if (!response.ok) {
      throw await refusal(response);
    }
    const found = await response.text();
    try {
      return (found ? JSON.parse(found) : null) as T;
    } catch {
      throw new RequestError('', response.status, 'UNKNOWN_ANSWER');
    }
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    // Not URLExt.join for the path: it would resolve what is percent-encoded in it.
    const url = `${URLExt.join(this.settings.baseUrl, ROOT)}/${path}`;
    try {
      return await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RequestError(reason, NO_RESPONSE, 'NO_RESPONSE');
    }
  }
}
