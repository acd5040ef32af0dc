/** Answers as the server extension gives them. */
import type { IEndpoint, IVersionStatus } from '../api';
import type { IModelServeClient, IStatus } from '../tokens';

export function version(part: Partial<IVersionStatus> = {}): IVersionStatus {
  return {
    model: 'iris',
    version: '2',
    entity: 'iris',
    state: 'READY',
    labels: [],
    serving: true,
    verdict: 'passed',
    failure: null,
    phases: [],
    environment: null,
    restarts: 0,
    replicas: 1,
    ready_replicas: 1,
    urls: [],
    ...part
  } as IVersionStatus;
}

export function endpoint(
  name: string,
  status: Partial<IEndpoint['status']> = {}
): IEndpoint {
  return {
    spec: {
      name,
      entities: [
        {
          name: 'iris',
          model: 'iris',
          selector: { kind: 'alias', value: 'Champion' },
          traffic: 100,
          workload_size: 'Small',
          replicas: 1
        }
      ],
      tags: {}
    },
    generation: 1,
    created_at: 1,
    deleting: false,
    status: {
      service: 'READY',
      service_message: 'Ready',
      update: 'NOT_UPDATING',
      update_message: '',
      versions: [version({ labels: ['Champion'] })],
      urls: [`http://127.0.0.1:8585/serving-endpoints/${name}/invocations`],
      ...status
    }
  } as unknown as IEndpoint;
}

export function running(endpoints: IEndpoint[] = [], registry = 1): IStatus {
  const daemon = { state: 'running', pid: 1, started_at: 0 };
  return {
    running: true,
    instance: {
      url: 'http://127.0.0.1:8585',
      instance_id: 'i',
      version: '0.1.0',
      gateway: daemon,
      controller: daemon,
      mlflow: daemon,
      endpoints: endpoints.length,
      engine: 'process',
      isolation: 'none',
      registry
    },
    endpoints
  } as unknown as IStatus;
}

export const STOPPED: IStatus = {
  running: false,
  instance: null,
  endpoints: []
};

/** A client whose answers a test sets. */
export function fakeClient(): jest.Mocked<IModelServeClient> {
  return {
    status: jest.fn(async () => running()),
    start: jest.fn(async () => running()),
    call: jest.fn(async () => ({ revision: 1, models: [] })),
    mlflow: jest.fn(async () => ({})),
    registerFolder: jest.fn(async () => ({ name: 'iris', version: '1' })),
    score: jest.fn(),
    snippet: jest.fn(async () => 'curl'),
    metrics: jest.fn(async () => '')
  } as unknown as jest.Mocked<IModelServeClient>;
}
