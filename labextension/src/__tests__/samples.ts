/** Answers as the server extension gives them. */
import type { IEndpoint, IStatus, IVersionStatus } from '../tokens';

export function version(part: Partial<IVersionStatus> = {}): IVersionStatus {
  return {
    model: 'iris',
    version: '2',
    entity: 'iris',
    state: 'READY',
    labels: [],
    verdict: 'passed',
    failure: null,
    phases: [],
    urls: [],
    ...part
  };
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
          workload_size: 'Small'
        }
      ]
    },
    generation: 1,
    status: {
      service: 'READY',
      service_message: '',
      update: 'NOT_UPDATING',
      update_message: '',
      versions: [version({ labels: ['Champion'] })],
      urls: [`http://127.0.0.1:8585/serving-endpoints/${name}/invocations`],
      ...status
    }
  };
}

export function running(endpoints: IEndpoint[] = []): IStatus {
  const daemon = { state: 'running', pid: 1, started_at: 0 };
  return {
    running: true,
    instance: {
      url: 'http://127.0.0.1:8585',
      instance_id: 'i',
      version: '0.1.0',
      gateway: daemon,
      controller: daemon,
      mlflow: daemon
    },
    endpoints
  };
}

export const STOPPED: IStatus = {
  running: false,
  instance: null,
  endpoints: []
};
