import { nullTranslator } from '@jupyterlab/translation';

import { StatusStore } from '../model/store';
import { RequestError } from '../request';
import type { IModelServeClient, IStatus } from '../tokens';
import { endpoint, fakeClient, running, STOPPED } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');

class FakeClient implements IModelServeClient {
  call = fakeClient().call;
  mlflow = fakeClient().mlflow;
  score = fakeClient().score;
  registerFolder = fakeClient().registerFolder;
  snippet = fakeClient().snippet;
  metrics = fakeClient().metrics;
  answers: (IStatus | Error | Promise<IStatus>)[] = [];
  looks = 0;

  async status(): Promise<IStatus> {
    this.looks += 1;
    const answer = this.answers.shift() ?? STOPPED;
    if (answer instanceof Error) {
      throw answer;
    }
    return answer;
  }

  start = jest.fn(async () => running());
}

describe('StatusStore', () => {
  let client: FakeClient;
  let store: StatusStore;

  beforeEach(() => {
    client = new FakeClient();
    store = new StatusStore(client, trans);
  });

  afterEach(() => {
    store.dispose();
  });

  it('asks for nothing until somebody watches', () => {
    expect(store.state.kind).toBe('loading');
    expect(client.looks).toBe(0);
  });

  it('shows a stopped instance', async () => {
    await store.refresh();
    expect(store.state.kind).toBe('stopped');
  });

  it('shows a running instance and tells of changes only', async () => {
    const seen: string[] = [];
    store.stateChanged.connect((_, state) => seen.push(state.kind));
    client.answers = [
      running([endpoint('iris')]),
      running([endpoint('iris')]),
      running([])
    ];
    await store.refresh();
    await store.refresh();
    await store.refresh();
    expect(seen).toEqual(['running', 'running']);
  });

  it('says that the server half is missing', async () => {
    client.answers = [new RequestError('Not Found', 404, '')];
    await store.refresh();
    expect(store.state).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('not enabled')
    });
  });

  it('says that the server does not answer, and recovers', async () => {
    client.answers = [new RequestError('x', 0, 'NO_RESPONSE'), running()];
    await store.refresh();
    expect(store.state).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('does not answer')
    });
    await store.refresh();
    expect(store.state.kind).toBe('running');
  });

  it('shows message and hint of a refusal', async () => {
    client.answers = [new RequestError('No disk', 500, 'X', 'Free some')];
    await store.refresh();
    expect(store.state).toEqual({
      kind: 'error',
      message: 'No disk',
      hint: 'Free some'
    });
  });

  it('starts the instance once', async () => {
    const first = store.start();
    const second = store.start();
    expect(store.state.kind).toBe('starting');
    await Promise.all([first, second]);
    expect(client.start).toHaveBeenCalledTimes(1);
    expect(store.state.kind).toBe('running');
  });

  it('is not taken back to stopped by a look during the start', async () => {
    let done: (value: IStatus) => void = () => undefined;
    client.start.mockReturnValue(new Promise(resolve => (done = resolve)));
    const start = store.start();
    await store.refresh();
    expect(store.state.kind).toBe('starting');
    done(running());
    await start;
    expect(store.state.kind).toBe('running');
  });

  it('shows why a start failed', async () => {
    client.start.mockRejectedValue(new RequestError('Port taken', 503, 'X'));
    await store.start();
    expect(store.state).toMatchObject({ kind: 'error', message: 'Port taken' });
  });

  it('keeps the newer of two answers', async () => {
    let old: (value: IStatus) => void = () => undefined;
    client.answers = [
      new Promise<IStatus>(resolve => (old = resolve)),
      running()
    ];
    const first = store.refresh();
    await store.refresh();
    old(STOPPED);
    await first;
    expect(store.state.kind).toBe('running');
  });

  it('watches as long as one of several does', async () => {
    const [panel, page] = [{}, {}];
    await store.setWatched(true, panel);
    await store.setWatched(true, page);
    await store.setWatched(false, panel);
    await new Promise(resolve => setTimeout(resolve, 20));
    const before = client.looks;
    store.hint();
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(client.looks).toBe(before + 1);
    await store.setWatched(false, page);
    store.hint();
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(client.looks).toBe(before + 1);
  });

  it('looks when the panel is shown and rests when it is hidden', async () => {
    jest.useFakeTimers();
    try {
      await store.setWatched(true);
      const shown = client.looks;
      expect(shown).toBeGreaterThan(0);
      await store.setWatched(false);
      const hidden = client.looks;
      await jest.advanceTimersByTimeAsync(120_000);
      expect(client.looks).toBe(hidden);
    } finally {
      jest.useRealTimers();
    }
  });
});
