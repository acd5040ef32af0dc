import type { TranslationBundle } from '@jupyterlab/translation';
import { JSONExt, type JSONValue } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { NO_RESPONSE, RequestError } from '../request';
import type {
  IModelServeClient,
  IModelServeModel,
  IStatus,
  ViewState
} from '../tokens';
import { isBusy } from './states';

/** Milliseconds between two looks while something is starting. */
export const BUSY_INTERVAL = 2000;
/** Milliseconds between two looks otherwise, unless the setting says something else. */
export const IDLE_INTERVAL = 15000;

/** Milliseconds for which a look that somebody else began counts for whoever begins to watch. */
const FRESH = 1000;
const ERROR_INTERVAL = 10000;
const NOT_FOUND = 404;

/**
 * Keeps what the panel shows. Looks at the server only while somebody watches.
 */
export class StatusStore implements IModelServeModel, IDisposable {
  constructor(
    private readonly client: IModelServeClient,
    private readonly trans: TranslationBundle
  ) {
    this.poll = new Poll({
      auto: false,
      name: 'jupyter-modelserve:status',
      factory: () => this.look(),
      frequency: { interval: IDLE_INTERVAL, backoff: false },
      standby: 'when-hidden'
    });
  }

  /** The present state. */
  get state(): ViewState {
    return this.current;
  }

  /** Emitted after every change of the state. */
  get stateChanged(): ISignal<this, ViewState> {
    return this.changed;
  }

  /** Whether the store was disposed of. */
  get isDisposed(): boolean {
    return this.poll.isDisposed;
  }

  /** Milliseconds between two looks while nothing is starting. */
  set idleInterval(milliseconds: number) {
    this.idle = milliseconds;
    this.adjustPace();
  }

  /** Watch while *who* is shown, the panel or a document; with nobody watching it costs nothing. */
  async setWatched(watched: boolean, who: unknown = this): Promise<void> {
    if (this.isDisposed || this.watchers.has(who) === watched) {
      return;
    }
    if (watched) {
      const first = this.watchers.size === 0;
      this.watchers.add(who);
      await this.poll.start();
      // A notebook may come into sight with many cards at once: one look is enough for all.
      if (first || Date.now() - this.lookedAt > FRESH) {
        await this.refresh();
      }
    } else {
      this.watchers.delete(who);
      if (this.watchers.size === 0) {
        await this.poll.stop();
      }
    }
  }

  /** Look now. */
  async refresh(): Promise<void> {
    if (!this.isDisposed) {
      await this.look();
    }
  }

  /** Something changed, says the server: look, if anybody watches. Hidden, the next show looks anyway. */
  hint(): void {
    if (this.watchers.size > 0 && !this.isDisposed) {
      void this.poll.refresh();
    }
  }

  /** Start the instance; its state tells how that went. */
  async start(): Promise<void> {
    if (this.current.kind === 'starting') {
      return;
    }
    this.set({ kind: 'starting' });
    try {
      this.set(this.view(await this.client.start()));
    } catch (error) {
      this.set(this.problem(error));
    }
  }

  /** Stop looking. */
  dispose(): void {
    if (!this.isDisposed) {
      this.poll.dispose();
      Signal.clearData(this);
    }
  }

  private async look(): Promise<void> {
    const number = ++this.looks;
    this.lookedAt = Date.now();
    let next: ViewState;
    try {
      next = this.view(await this.client.status());
    } catch (error) {
      next = this.problem(error);
    }
    // An older answer must not replace a newer one, nor end a start that is under way.
    const late = number !== this.looks || this.isDisposed;
    const early = this.current.kind === 'starting' && next.kind !== 'running';
    if (!late && !early) {
      this.set(next);
    }
  }

  private view(status: IStatus): ViewState {
    if (!status.running || !status.instance) {
      return { kind: 'stopped' };
    }
    return {
      kind: 'running',
      instance: status.instance,
      endpoints: status.endpoints
    };
  }

  private problem(error: unknown): ViewState {
    const trans = this.trans;
    if (error instanceof RequestError && error.status === NOT_FOUND) {
      return {
        kind: 'error',
        message: trans.__('The server half of this extension is not enabled.'),
        hint: trans.__(
          'Install jupyter-modelserve in the environment that runs Jupyter Server, then restart the server.'
        )
      };
    }
    if (error instanceof RequestError && error.status === NO_RESPONSE) {
      return {
        kind: 'error',
        message: trans.__('Jupyter Server does not answer.'),
        hint: trans.__('The panel keeps trying.')
      };
    }
    if (error instanceof RequestError) {
      return {
        kind: 'error',
        message:
          error.message ||
          trans.__('The server half of this extension has another version.'),
        hint: error.hint
      };
    }
    return { kind: 'error', message: String(error), hint: '' };
  }

  private set(next: ViewState): void {
    const same = JSONExt.deepEqual(
      this.current as unknown as JSONValue,
      next as unknown as JSONValue
    );
    this.current = next;
    this.adjustPace();
    if (!same) {
      this.changed.emit(next);
    }
  }

  private adjustPace(): void {
    const interval = isBusy(this.current)
      ? BUSY_INTERVAL
      : this.current.kind === 'error'
        ? ERROR_INTERVAL
        : this.idle;
    if (!this.isDisposed && this.poll.frequency.interval !== interval) {
      this.poll.frequency = { ...this.poll.frequency, interval };
    }
  }

  private readonly poll: Poll;
  private readonly changed = new Signal<this, ViewState>(this);
  private current: ViewState = { kind: 'loading' };
  private idle = IDLE_INTERVAL;
  private looks = 0;
  private lookedAt = 0;
  private readonly watchers = new Set<unknown>();
}
