import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IPhase } from '../api';
import { RequestError } from '../request';
import type { EndpointStore } from './endpoints';

/** Something under way: started here, or a version on its way to answering. */
export interface ITask {
  id: string;
  title: string;
  state: 'running' | 'done' | 'failed';
  message: string;
  hint: string;
  phases: IPhase[];
  /** What it is about, so that a click can show it. */
  endpoint?: string;
  startedAt: number;
}

/** Why a task failed and what to do, as sentences. */
export function told(task: ITask): string {
  const { message, hint } = task;
  const end = /[.!?:]$/.test(message) ? '' : '.';
  return hint ? `${message}${end} ${hint}` : message;
}

const KEPT = 5;
const DONE = new Set(['READY', 'FAILED', 'UNLOADING', 'SCALED_TO_ZERO']);

/** What happens now: own actions by name, and versions that endpoints prepare. */
export class ActivityStore implements IDisposable {
  constructor(private readonly endpoints: EndpointStore) {
    endpoints.changed.connect(this.follow, this);
  }

  /** Tasks, the newest first; finished ones of the panel stay a while. */
  get tasks(): ITask[] {
    return [...this.own].reverse().concat(this.preparing());
  }

  /** Emitted after every change. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Emitted when an action of the panel failed. */
  get failed(): ISignal<this, ITask> {
    return this.failure;
  }

  /** Whether the store was disposed of. */
  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Do something under a name. Failures are kept and told; the result is undefined then. */
  async run<T>(
    title: string,
    work: () => Promise<T>,
    endpoint?: string
  ): Promise<T | undefined> {
    const id = `own-${++this.count}`;
    const startedAt = Date.now();
    const task: ITask = {
      id,
      title,
      state: 'running',
      message: '',
      hint: '',
      phases: [],
      startedAt,
      ...(endpoint ? { endpoint } : {})
    };
    this.update(task);
    try {
      const result = await work();
      this.update({ ...task, state: 'done' });
      return result;
    } catch (error) {
      const failed: ITask = {
        ...task,
        state: 'failed',
        message: error instanceof Error ? error.message : String(error),
        hint: error instanceof RequestError ? error.hint : ''
      };
      this.update(failed);
      this.failure.emit(failed);
      return undefined;
    }
  }

  /** Forget what has ended. */
  clear(): void {
    this.own = this.own.filter(each => each.state === 'running');
    this.signal.emit();
  }

  /** Stop following. */
  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.endpoints.changed.disconnect(this.follow, this);
      Signal.clearData(this);
    }
  }

  private preparing(): ITask[] {
    return this.endpoints.all.flatMap(endpoint =>
      endpoint.status.versions
        .filter(version => !DONE.has(version.state))
        .map((version): ITask => ({
          id: `${endpoint.spec.name}/${version.model}/${version.version}`,
          title: `${version.model}/${version.version}`,
          state: 'running',
          message: version.state,
          hint: '',
          phases: version.phases,
          endpoint: endpoint.spec.name,
          startedAt: 0
        }))
    );
  }

  private update(task: ITask): void {
    const others = this.own.filter(each => each.id !== task.id);
    this.own = [...others, task].slice(-KEPT);
    this.signal.emit();
  }

  private follow(): void {
    this.signal.emit();
  }

  private readonly signal = new Signal<this, void>(this);
  private readonly failure = new Signal<this, ITask>(this);
  private own: ITask[] = [];
  private count = 0;
  private disposed = false;
}
