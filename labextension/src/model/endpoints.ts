import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IEndpoint, IVersionStatus } from '../api';
import type { IModelServeModel, ViewState } from '../tokens';

/** A version as an endpoint has it. */
export interface IServed {
  endpoint: IEndpoint;
  version: IVersionStatus;
}

function keyOf(model: string, version: string): string {
  return `${model}/${version}`;
}

/**
 * The endpoints, by name, by model and by version. While the instance cannot be asked, the last known ones stay.
 */
export class EndpointStore implements IDisposable {
  constructor(private readonly status: IModelServeModel) {
    status.stateChanged.connect(this.follow, this);
    this.follow(status, status.state);
  }

  /** Every endpoint, by name. */
  get all(): IEndpoint[] {
    return this.list;
  }

  /** Emitted after every change. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Whether the store was disposed of. */
  get isDisposed(): boolean {
    return this.disposed;
  }

  /** One endpoint, if it exists. */
  get(name: string): IEndpoint | undefined {
    return this.list.find(each => each.spec.name === name);
  }

  /** The endpoints that serve something of *model*. */
  ofModel(model: string): IEndpoint[] {
    return this.list.filter(
      each =>
        each.spec.entities.some(entity => entity.model === model) ||
        each.status.versions.some(version => version.model === model)
    );
  }

  /** The endpoints that have a version, the one that serves it best first. */
  ofVersion(model: string, version: string): IServed[] {
    return this.versions.get(keyOf(model, version)) ?? [];
  }

  /** Stop following. */
  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.status.stateChanged.disconnect(this.follow, this);
      Signal.clearData(this);
    }
  }

  private follow(_: IModelServeModel, state: ViewState): void {
    const known =
      state.kind === 'running'
        ? state.endpoints
        : state.kind === 'error'
          ? this.list
          : [];
    if (known === this.list) {
      return;
    }
    this.list = known;
    this.versions.clear();
    for (const endpoint of known) {
      for (const version of endpoint.status.versions) {
        const key = keyOf(version.model, version.version);
        const found = this.versions.get(key) ?? [];
        found.push({ endpoint, version });
        found.sort((a, b) => rank(b.version) - rank(a.version));
        this.versions.set(key, found);
      }
    }
    this.signal.emit();
  }

  private readonly signal = new Signal<this, void>(this);
  private readonly versions = new Map<string, IServed[]>();
  private list: IEndpoint[] = [];
  private disposed = false;
}

function rank(version: IVersionStatus): number {
  return version.state === 'READY' ? 2 : version.state === 'FAILED' ? 0 : 1;
}
