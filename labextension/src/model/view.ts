import { type ISignal, Signal } from '@lumino/signaling';

/** Where small things are kept over a reload; JupyterLab's state database is one. */
export interface IKeeper {
  fetch(id: string): Promise<unknown>;
  save(id: string, value: string[] | string): Promise<unknown>;
}

const TOGGLED = 'jupyter-modelserve:toggled';
const FILTER = 'jupyter-modelserve:filter';
const SAVE_AFTER_MS = 300;

/** What the user opened, closed and typed in the side bar. Never data of the server. */
export class ViewStore {
  constructor(private readonly keeper: IKeeper | null) {}

  /** Emitted after every change. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Nodes and sections that are not as they are at first. */
  get toggled(): ReadonlySet<string> {
    return this.nodes;
  }

  /** What was typed into the search field. */
  get filter(): string {
    return this.words;
  }

  /** Take up what was kept. */
  async restore(): Promise<void> {
    if (!this.keeper) {
      return;
    }
    const nodes = await this.keeper.fetch(TOGGLED);
    const words = await this.keeper.fetch(FILTER);
    if (this.touched) {
      return; // the user was faster
    }
    if (Array.isArray(nodes)) {
      this.nodes = new Set(nodes.map(String));
    }
    if (typeof words === 'string') {
      this.words = words;
    }
    this.signal.emit();
  }

  /** Open what is closed, close what is open. */
  toggle(id: string): void {
    const next = new Set(this.nodes);
    if (!next.delete(id)) {
      next.add(id);
    }
    this.nodes = next;
    this.change();
  }

  /** Search for something else. */
  search(words: string): void {
    this.words = words;
    this.change();
  }

  private change(): void {
    this.touched = true;
    this.signal.emit();
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      void this.keeper?.save(TOGGLED, [...this.nodes]);
      void this.keeper?.save(FILTER, this.words);
    }, SAVE_AFTER_MS);
  }

  private readonly signal = new Signal<this, void>(this);
  private nodes: ReadonlySet<string> = new Set();
  private words = '';
  private touched = false;
  private timer = 0;
}
