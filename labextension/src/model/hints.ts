import type { Event } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';

/** Schema of the events by which the server extension says that something changed. */
export const HINT_SCHEMA = 'urn:jupyter-modelserve:endpoint-changed:v1';

/** What follows hints. */
export interface IHinted {
  /** Look again. */
  hint(): void;
}

/**
 * Let the store look again at every hint. An event's content is not used: any client of the server may send one.
 */
export function followHints(
  stream: ISignal<unknown, Event.Emission>,
  store: IHinted
): void {
  stream.connect((_, emission) => {
    if (emission.schema_id === HINT_SCHEMA) {
      store.hint();
    }
  });
}
