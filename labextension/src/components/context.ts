import {
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

import type { Actions } from '../model/actions';
import type { ActivityStore } from '../model/activity';
import type { EndpointStore } from '../model/endpoints';
import type { MetricsStore } from '../model/metrics';
import type { ModelStore } from '../model/models';
import type { ViewStore } from '../model/view';
import type { IModelServeClient, IModelServeModel } from '../tokens';

/** All that components work with: one store per domain, and the commands. */
export interface IServices {
  trans: TranslationBundle;
  client: IModelServeClient;
  status: IModelServeModel;
  endpoints: EndpointStore;
  models: ModelStore;
  metrics: MetricsStore;
  activity: ActivityStore;
  view: ViewStore;
  actions: Actions;
  /** Lines of a log that are asked for. */
  logLines(): number;
  /** Execute a command. */
  run(command: string, args?: ReadonlyPartialJSONObject): Promise<unknown>;
  /** Start dragging a cell into a notebook. */
  drag(source: string, event: React.DragEvent): void;
}

/** The texts of the panel in the user's language. */
export const TranslationContext = React.createContext<TranslationBundle>(
  nullTranslator.load('jupyter-modelserve')
);

/** The translation of the surrounding panel. */
export function useTranslation(): TranslationBundle {
  return React.useContext(TranslationContext);
}

/** Stores and commands. */
export const ServicesContext = React.createContext<IServices | null>(null);

/** The stores and commands of the surrounding panel or document. */
export function useServices(): IServices {
  const found = React.useContext(ServicesContext);
  if (!found) {
    throw new Error('rendered outside of a panel');
  }
  return found;
}

/** Draw anew after every signal; the result grows with each. */
export function useSignal(signal: ISignal<unknown, unknown>): number {
  const [count, setCount] = React.useState(0);
  React.useEffect(() => {
    const slot = () => setCount(before => before + 1);
    signal.connect(slot);
    // What happened between drawing and this moment.
    slot();
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
  return count;
}

/** An answer of the server on its way. */
export interface IAnswer<T> {
  value: T | null;
  error: string;
  loading: boolean;
  reload(): void;
}

/** Ask whenever one of *keys* changes. The answer before stays until the new one comes; older ones are dropped. */
export function useAnswer<T>(
  ask: () => Promise<T>,
  keys: React.DependencyList
): IAnswer<T> {
  const [turn, setTurn] = React.useState(0);
  const [answer, setAnswer] = React.useState<{
    value: T | null;
    error: string;
    loading: boolean;
  }>({ value: null, error: '', loading: true });
  React.useEffect(() => {
    let wanted = true;
    setAnswer(before => ({ ...before, loading: true }));
    ask().then(
      value => wanted && setAnswer({ value, error: '', loading: false }),
      (reason: unknown) => {
        const error = reason instanceof Error ? reason.message : String(reason);
        if (wanted) {
          setAnswer(before => ({ ...before, error, loading: false }));
        }
      }
    );
    return () => {
      wanted = false;
    };
  }, [...keys, turn]);
  return { ...answer, reload: () => setTurn(before => before + 1) };
}
