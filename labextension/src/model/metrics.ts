import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IEndpoint } from '../api';
import type { IModelServeClient } from '../tokens';

/** Milliseconds between two looks at the counters. */
export const INTERVAL = 5000;

const LINE = /^(\w+)\{([^}]*)\} ([\d.e+-]+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const P95 = 0.95;
const SECOND = 1000;

/** Requests of one series: endpoint, model and version, with their number per bucket of latency (cumulative). */
interface ISeries {
  endpoint: string;
  model: string;
  version: string;
  count: number;
  errors: number;
  buckets: Map<number, number>;
}

/** The counters at one moment. */
export interface ISample {
  at: number;
  series: Map<string, ISeries>;
}

/** What an endpoint does: requests per second, share of errors, and the time that 95% stay below. */
export interface ILoad {
  perSecond: number;
  errors: number;
  p95: number | null;
  total: number;
}

/** Read Prometheus' text. */
export function parse(text: string, at: number): ISample {
  const series = new Map<string, ISeries>();
  for (const line of text.split('\n')) {
    const found = LINE.exec(line);
    if (!found || !found[1].startsWith('modelserve_request')) {
      continue;
    }
    const labels: Record<string, string> = {};
    for (const [, name, value] of found[2].matchAll(LABEL)) {
      labels[name] = value.replace(/\\(.)/g, '$1');
    }
    if (!labels.model) {
      continue;
    }
    const { endpoint = '', model, version = '' } = labels;
    const key = JSON.stringify([endpoint, model, version]);
    const each = series.get(key) ?? {
      endpoint,
      model,
      version,
      count: 0,
      errors: 0,
      buckets: new Map<number, number>()
    };
    series.set(key, each);
    const value = Number(found[3]);
    if (found[1] === 'modelserve_requests_total') {
      each.count += value;
      each.errors += Number(labels.status) >= 500 ? value : 0;
    } else if (found[1] === 'modelserve_request_seconds_bucket') {
      const bound = labels.le === '+Inf' ? Infinity : Number(labels.le);
      each.buckets.set(bound, (each.buckets.get(bound) ?? 0) + value);
    }
  }
  return { at, series };
}

function belongs(series: ISeries, endpoint: IEndpoint): boolean {
  return series.endpoint
    ? series.endpoint === endpoint.spec.name
    : endpoint.status.versions.some(
        each => each.model === series.model && each.version === series.version
      );
}

/** What happened at *endpoint* between two samples. A counter that fell back began anew. */
export function load(
  before: ISample,
  now: ISample,
  endpoint: IEndpoint
): ILoad {
  let count = 0;
  let errors = 0;
  let total = 0;
  const buckets = new Map<number, number>();
  for (const [key, each] of now.series) {
    if (!belongs(each, endpoint)) {
      continue;
    }
    const known = before.series.get(key);
    const old = known && known.count <= each.count ? known : undefined;
    total += each.count;
    count += each.count - (old?.count ?? 0);
    errors += each.errors - (old?.errors ?? 0);
    for (const [bound, value] of each.buckets) {
      const grown = value - (old?.buckets.get(bound) ?? 0);
      buckets.set(bound, (buckets.get(bound) ?? 0) + grown);
    }
  }
  const seconds = Math.max((now.at - before.at) / SECOND, 0.001);
  return {
    perSecond: count / seconds,
    errors,
    p95: quantile(buckets, P95),
    total
  };
}

/** Linear within the bucket, as Prometheus does it; the last finite bound when it lies above. */
function quantile(buckets: Map<number, number>, share: number): number | null {
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const total = buckets.get(Infinity) ?? 0;
  if (total <= 0) {
    return null;
  }
  const rank = total * share;
  let below = 0;
  let lower = 0;
  for (const bound of bounds) {
    const reached = buckets.get(bound) ?? 0;
    if (reached >= rank) {
      return bound === Infinity
        ? lower
        : lower +
            ((bound - lower) * (rank - below)) / Math.max(reached - below, 1);
    }
    below = reached;
    lower = bound;
  }
  return lower;
}

/** Looks at the gateway's counters while somebody watches, and keeps the last two samples. */
export class MetricsStore implements IDisposable {
  constructor(private readonly client: IModelServeClient) {
    this.poll = new Poll({
      auto: false,
      name: 'jupyter-modelserve:metrics',
      factory: () => this.look(),
      frequency: { interval: INTERVAL, backoff: false },
      standby: 'when-hidden'
    });
  }

  /** Emitted after every look. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Whether the store was disposed of. */
  get isDisposed(): boolean {
    return this.poll.isDisposed;
  }

  /** What *endpoint* does now; nothing before the second look. */
  of(endpoint: IEndpoint): ILoad | null {
    const [before, now] = this.samples;
    return before && now ? load(before, now, endpoint) : null;
  }

  /** Watch while *who* is shown. */
  async setWatched(watched: boolean, who: unknown): Promise<void> {
    if (this.isDisposed || this.watchers.has(who) === watched) {
      return;
    }
    if (watched) {
      this.watchers.add(who);
      await this.poll.start();
    } else {
      this.watchers.delete(who);
      if (this.watchers.size === 0) {
        this.samples = [];
        await this.poll.stop();
      }
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
    try {
      const sample = parse(await this.client.metrics(), Date.now());
      this.samples = [...this.samples, sample].slice(-2);
    } catch {
      // Figures are an extra: the status says what is wrong.
      this.samples = [];
    }
    this.signal.emit();
  }

  private readonly poll: Poll;
  private readonly signal = new Signal<this, void>(this);
  private readonly watchers = new Set<unknown>();
  private samples: ISample[] = [];
}
