import { nullTranslator } from '@jupyterlab/translation';

import { Actions } from '../model/actions';
import { ActivityStore } from '../model/activity';
import { EndpointStore } from '../model/endpoints';
import { ModelStore } from '../model/models';
import { StatusStore } from '../model/store';
import { ViewStore } from '../model/view';
import { RequestError } from '../request';
import { endpoint, fakeClient, running, STOPPED, version } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');
const settle = () => new Promise(resolve => setTimeout(resolve, 10));

describe('stores that follow the status', () => {
  const client = fakeClient();
  let status: StatusStore;
  let endpoints: EndpointStore;
  let models: ModelStore;
  let activity: ActivityStore;
  const outlines = () =>
    client.call.mock.calls.filter(each => each[0] === 'GET /outline').length;

  beforeEach(() => {
    jest.resetAllMocks();
    client.status.mockResolvedValue(running([endpoint('iris')], 1));
    client.call.mockResolvedValue({ revision: 1, models: [] });
    status = new StatusStore(client, trans);
    endpoints = new EndpointStore(status);
    models = new ModelStore(client, status);
    activity = new ActivityStore(endpoints);
  });

  afterEach(() => {
    [activity, models, endpoints, status].forEach(each => each.dispose());
  });

  it('reads the registry again only when its revision has changed', async () => {
    await status.refresh();
    await settle();
    await status.refresh();
    await settle();
    expect(outlines()).toBe(1);
    client.status.mockResolvedValue(running([endpoint('iris')], 2));
    await status.refresh();
    await settle();
    expect(outlines()).toBe(2);
  });

  it('knows catalogs and schemas that hold no model', async () => {
    client.call.mockImplementation(async operation =>
      operation === 'GET /catalogs'
        ? { catalogs: [{ name: 'prod' }] }
        : operation === 'GET /schemas'
          ? { schemas: [{ name: 'prod.default' }] }
          : { revision: 1, models: [] }
    );
    await models.refresh();
    expect(models.list.groups).toEqual(['prod', 'prod.default']);
  });

  it('tries the registry again after a failure', async () => {
    client.call.mockRejectedValueOnce(new RequestError('starting', 503, 'X'));
    await status.refresh();
    await settle();
    expect(models.list).toMatchObject({ known: false, problem: 'starting' });
    client.status.mockResolvedValue(running([], 1));
    await status.refresh();
    await settle();
    expect(models.list).toMatchObject({ known: true, problem: '' });
  });

  it('lets whoever asked for a look see the newest one', async () => {
    // A command looks for its model while the first status starts a look of its own: neither must come away empty.
    const found = { revision: 1, models: [{ name: 'iris', versions: ['1'] }] };
    let answer: (outline: unknown) => void = () => undefined;
    const answers = [
      Promise.resolve({ revision: 0, models: [] }),
      new Promise(resolve => (answer = resolve))
    ];
    client.call.mockImplementation(async operation =>
      operation === 'GET /outline' ? answers.shift() : {}
    );
    const asked = models.refresh();
    await status.refresh();
    setTimeout(() => answer(found), 10);
    await asked;
    expect(models.get('iris')?.versions).toEqual(['1']);
  });

  it('finds endpoints by name, model and version', async () => {
    await status.refresh();
    expect(endpoints.get('iris')?.spec.name).toBe('iris');
    expect(endpoints.ofModel('iris')).toHaveLength(1);
    expect(endpoints.ofVersion('iris', '2')[0].version.state).toBe('READY');
    expect(endpoints.ofVersion('iris', '9')).toEqual([]);
  });

  it('keeps what it knew while the server does not answer', async () => {
    await status.refresh();
    client.status.mockRejectedValueOnce(new RequestError('x', 0, 'X'));
    await status.refresh();
    expect(endpoints.all).toHaveLength(1);
    client.status.mockResolvedValueOnce(STOPPED);
    await status.refresh();
    expect(endpoints.all).toHaveLength(0);
  });

  it('shows versions on their way as activity', async () => {
    const loading = version({
      state: 'LOADING',
      phases: [{ name: 'load', seconds: 2, done: false, detail: '' }]
    });
    client.status.mockResolvedValue(
      running([endpoint('iris', { versions: [loading, version()] })])
    );
    await status.refresh();
    expect(activity.tasks.map(each => each.title)).toEqual(['iris/2']);
  });

  it('keeps and tells a failed action with its hint', async () => {
    const told: string[] = [];
    activity.failed.connect((_, task) => told.push(task.hint));
    const result = await activity.run('Serve', async () => {
      throw new RequestError('No right', 403, 'X', 'Ask ann');
    });
    expect(result).toBeUndefined();
    expect(told).toEqual(['Ask ann']);
    expect(activity.tasks[0]).toMatchObject({
      state: 'failed',
      message: 'No right'
    });
    activity.clear();
    expect(activity.tasks).toEqual([]);
  });

  it('changes an endpoint without losing its tags or secrets', async () => {
    const known = endpoint('iris');
    known.spec.tags = { team: 'a' };
    known.spec.secrets = ['STALE'];
    client.status.mockResolvedValue(running([known]));
    await status.refresh();
    const actions = new Actions(
      client,
      status,
      endpoints,
      models,
      activity,
      trans
    );
    const selector = { kind: 'version', value: '2' } as const;
    expect(await actions.serve('iris', selector, { size: 'Large' })).toBe(true);
    expect(client.call).toHaveBeenCalledWith('PUT /endpoints/{name}', {
      path: { name: 'iris' },
      body: expect.objectContaining({
        tags: { team: 'a' },
        entities: [{ model: 'iris', selector, workload_size: 'Large' }]
      }),
      headers: { 'If-Match': `"${known.generation}-${known.created_at}"` }
    });
    await actions.change(known.spec, { ...known, generation: 7 });
    expect(client.call).toHaveBeenCalledWith(
      'PUT /endpoints/{name}',
      expect.objectContaining({
        headers: { 'If-Match': `"7-${known.created_at}"` }
      })
    );
    const sent = client.call.mock.calls
      .filter(([operation]) => operation === 'PUT /endpoints/{name}')
      .map(([, options]) => options?.body);
    expect(sent).toHaveLength(2);
    for (const body of sent) {
      expect(body).not.toHaveProperty('secrets');
    }
  });
});

describe('ViewStore', () => {
  it('keeps what was opened and typed', async () => {
    jest.useFakeTimers();
    const kept = new Map<string, unknown>();
    const keeper = {
      fetch: async (id: string) => kept.get(id),
      save: async (id: string, value: unknown) => kept.set(id, value)
    };
    const first = new ViewStore(keeper);
    first.toggle('model:iris');
    first.search('iris');
    jest.runAllTimers();
    jest.useRealTimers();
    const second = new ViewStore(keeper);
    await second.restore();
    expect([...second.toggled]).toEqual(['model:iris']);
    expect(second.filter).toBe('iris');
    second.toggle('model:iris');
    expect(second.toggled.size).toBe(0);
  });
});
