import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IOutline, IOutlineModel } from '../api';
import type { IModelServeClient, IModelServeModel, ViewState } from '../tokens';

/** The registered models in short: what a tree shows. */
export interface IModelList {
  models: IOutlineModel[];
  /** Whether they have been read at least once. */
  known: boolean;
  /** Why the last look failed, or nothing. */
  problem: string;
}

/**
 * The registry in short. It is read again only when its revision, which comes with every status, has changed.
 */
export class ModelStore implements IDisposable {
  constructor(
    private readonly client: IModelServeClient,
    private readonly status: IModelServeModel
  ) {
    status.stateChanged.connect(this.follow, this);
    this.follow(status, status.state);
  }

  /** What is known now. */
  get list(): IModelList {
    return this.current;
  }

  /** The change of the registry up to which {@link list} is true; documents read anew when it grows. */
  get revision(): number {
    return this.seen;
  }

  /** Emitted after every change. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Whether the store was disposed of. */
  get isDisposed(): boolean {
    return this.disposed;
  }

  /** One model in short, if it is registered. */
  get(name: string): IOutlineModel | undefined {
    return this.current.models.find(each => each.name === name);
  }

  /** Read now. Whoever waits sees the newest answer: an older read that was overtaken ends with the newer one. */
  async refresh(): Promise<void> {
    const reading = this.read();
    this.newest = reading;
    await reading;
    if (this.newest !== reading) {
      await this.newest;
    }
  }

  /** Stop following. */
  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.status.stateChanged.disconnect(this.follow, this);
      Signal.clearData(this);
    }
  }

  private async read(): Promise<void> {
    const number = ++this.reads;
    try {
      const found = await this.client.call<IOutline>('GET /outline');
      if (number === this.reads && !this.disposed) {
        this.seen = Math.max(this.seen, found.revision);
        this.set({ models: found.models, known: true, problem: '' });
      }
    } catch (error) {
      if (number === this.reads && !this.disposed) {
        const problem = error instanceof Error ? error.message : String(error);
        this.wanted = '';
        this.set({ ...this.current, problem });
      }
    }
  }

  private follow(_: IModelServeModel, state: ViewState): void {
    if (state.kind !== 'running') {
      if (state.kind !== 'error') {
        this.wanted = '';
      }
      return;
    }
    const { instance_id, registry } = state.instance;
    const wanted = `${instance_id} ${registry}`;
    if (wanted !== this.wanted) {
      this.wanted = wanted;
      this.seen = registry;
      void this.refresh();
    }
  }

  private set(next: IModelList): void {
    this.current = next;
    this.signal.emit();
  }

  private readonly signal = new Signal<this, void>(this);
  private current: IModelList = { models: [], known: false, problem: '' };
  private wanted = '';
  private seen = 0;
  private reads = 0;
  private newest: Promise<void> | null = null;
  private disposed = false;
}
