import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { ICatalog, IOutline, IOutlineModel, ISchema } from '../api';
import type { IModelServeClient, IModelServeModel, ViewState } from '../tokens';

/** The registered models in short: what a tree shows. */
export interface IModelList {
  models: IOutlineModel[];
  /** Catalogs, and schemas as `catalog.schema`, whether or not they hold a model. */
  groups: string[];
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
        const { groups } = this.current;
        this.set({ models: found.models, groups, known: true, problem: '' });
        await this.readGroups(number);
      }
    } catch (error) {
      if (number === this.reads && !this.disposed) {
        const problem = error instanceof Error ? error.message : String(error);
        this.wanted = '';
        this.set({ ...this.current, problem });
      }
    }
  }

  /** Empty catalogs and schemas as well; when they cannot be read, the tree shows those that hold a model. */
  private async readGroups(number: number): Promise<void> {
    try {
      const [above, below] = await Promise.all([
        this.client.call<{ catalogs: ICatalog[] }>('GET /catalogs'),
        this.client.call<{ schemas: ISchema[] }>('GET /schemas')
      ]);
      const groups = [...above.catalogs, ...below.schemas].map(
        each => each.name
      );
      const same = groups.join() === this.current.groups.join();
      if (number === this.reads && !this.disposed && !same) {
        this.set({ ...this.current, groups });
      }
    } catch {
      // The models are what counts.
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
  private current: IModelList = {
    models: [],
    groups: [],
    known: false,
    problem: ''
  };
  private wanted = '';
  private seen = 0;
  private reads = 0;
  private newest: Promise<void> | null = null;
  private disposed = false;
}
