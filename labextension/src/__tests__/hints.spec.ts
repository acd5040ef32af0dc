import type { Event } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { followHints, HINT_SCHEMA } from '../model/hints';
import { StatusStore } from '../model/store';
import { fakeClient, running } from './samples';

describe('followHints', () => {
  const sender = {};
  const stream = new Signal<unknown, Event.Emission>(sender);
  const status = jest.fn(async () => running());
  const client = { ...fakeClient(), status };
  let store: StatusStore;

  const settle = () => new Promise(resolve => setTimeout(resolve, 20));

  beforeEach(() => {
    status.mockClear();
    store = new StatusStore(client, nullTranslator.load('jupyter-modelserve'));
    followHints(stream, store);
  });

  afterEach(() => {
    store.dispose();
    Signal.clearData(sender);
  });

  it('looks again while the panel is shown', async () => {
    await store.setWatched(true);
    await settle();
    const before = status.mock.calls.length;
    stream.emit({ schema_id: HINT_SCHEMA, endpoint: 'iris', revision: 1 });
    await settle();
    expect(status.mock.calls.length).toBe(before + 1);
  });

  it('does nothing for other events or while hidden', async () => {
    stream.emit({ schema_id: HINT_SCHEMA, endpoint: 'iris', revision: 2 });
    await settle();
    expect(status).not.toHaveBeenCalled();
    await store.setWatched(true);
    await settle();
    const before = status.mock.calls.length;
    stream.emit({ schema_id: 'https://events.jupyter.org/other' });
    await settle();
    expect(status.mock.calls.length).toBe(before);
  });
});
