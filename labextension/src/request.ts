import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IModelServeClient, IStatus } from './tokens';

const NAMESPACE = 'jupyter-modelserve/lab';

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

/** Speaks to our Jupyter Server extension with the identity of the logged-in user. */
export class RestClient implements IModelServeClient {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** What runs now. */
  status(): Promise<IStatus> {
    return this.request('status', { method: 'GET' });
  }

  /** Start the instance and wait until it answers. */
  start(): Promise<IStatus> {
    return this.request('start', { method: 'POST' });
  }

  private async request(path: string, init: RequestInit): Promise<IStatus> {
    const url = URLExt.join(this.settings.baseUrl, NAMESPACE, path);
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RequestError(reason, NO_RESPONSE, 'NO_RESPONSE');
    }
    if (!response.ok) {
      throw await refusal(response);
    }
    const body: unknown = await response.json();
    if (!isStatus(body)) {
      throw new RequestError('', response.status, 'UNKNOWN_ANSWER');
    }
    return body;
  }
}
