import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';

import { Card } from '../components/cards/card';
import { type IServices, ServicesContext } from '../components/context';
import { cardOf, type ICard, isSame } from '../model/cards';
import { StatusStore } from '../model/store';
import { RequestError } from '../request';
import { makeServices } from '../services';
import { endpoint, fakeClient, running, STOPPED, version } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');
const HERE = 'http://127.0.0.1:8585';
const SERVER = 'http://127.0.0.1:8888/user/x/';

describe('what a card is about', () => {
  it('is read with care', () => {
    const about = { kind: 'endpoint', name: 'iris', instance: HERE };
    expect(cardOf({ ...about, schema: 1 })).toEqual(about);
    for (const wrong of [null, 7, {}, { ...about, kind: 'secret' }]) {
      expect(cardOf(wrong)).toBeNull();
    }
    expect(cardOf({ ...about, name: ['iris'] })).toBeNull();
  });

  it('belongs to an instance, by its address or through the own server', () => {
    expect(isSame(`${HERE}/`, HERE, SERVER)).toBe(true);
    const through = 'http://hub:8000/user/x/jupyter-modelserve';
    expect(isSame(through, HERE, SERVER)).toBe(true);
    expect(isSame('http://elsewhere:8585', HERE, SERVER)).toBe(false);
    expect(isSame('nonsense', HERE, SERVER)).toBe(false);
  });
});

describe('a card', () => {
  let host: HTMLElement;
  let root: Root;
  let client: ReturnType<typeof fakeClient>;
  let status: StatusStore;
  let services: IServices;
  const run = jest.fn(async () => undefined);

  beforeEach(() => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    host = document.body.appendChild(document.createElement('div'));
    root = createRoot(host);
    client = fakeClient();
    status = new StatusStore(client, trans);
    const app = { commands: new CommandRegistry() } as JupyterFrontEnd;
    const options = { logLines: 10 };
    services = {
      ...makeServices(app, client, status, null, trans, options),
      run
    };
  });

  afterEach(() => {
    React.act(() => root.unmount());
    status.dispose();
    host.remove();
  });

  async function show(about: Partial<ICard>): Promise<void> {
    const given: ICard = {
      kind: 'endpoint',
      name: 'iris',
      instance: HERE,
      ...about
    };
    React.act(() =>
      root.render(
        <ServicesContext.Provider value={services}>
          <Card about={given} serverUrl={SERVER} recorded="as it was" />
        </ServicesContext.Provider>
      )
    );
    await look();
  }

  const look = () =>
    React.act(async () => {
      await status.refresh();
      await new Promise(resolve => setTimeout(resolve, 20));
    });

  it('follows an endpoint to its end', async () => {
    const loading = version({ state: 'LOADING', ready_replicas: 0 });
    const starting = { service: 'PENDING', versions: [loading] } as const;
    client.status.mockResolvedValue(
      running([endpoint('iris', starting as never)])
    );
    await show({});
    expect(host.textContent).toContain('Starting');
    client.status.mockResolvedValue(running([endpoint('iris')]));
    await look();
    expect(host.textContent).toContain('Ready');
    expect(host.textContent).toContain('1 of 1 replica');
    client.status.mockResolvedValue(running([]));
    await look();
    expect(host.textContent).toContain('iris is not served now.');
  });

  it('shows what was recorded of another instance, or of one that stopped', async () => {
    client.status.mockResolvedValue(running([endpoint('iris')]));
    await show({ instance: 'http://elsewhere:1' });
    expect(host.textContent).toBe('as it was');
    client.status.mockResolvedValue(STOPPED);
    await look();
    expect(host.textContent).toContain('not running now');
  });

  it('keeps what it knew while the server does not answer, and says so', async () => {
    client.status.mockResolvedValue(running([endpoint('iris')]));
    await show({});
    client.status.mockRejectedValue(new RequestError('x', 0, 'X'));
    await look();
    expect(host.textContent).toContain('Ready');
    expect(host.textContent).toContain('This is what was known last.');
  });

  it('lists models with what serves them', async () => {
    client.status.mockResolvedValue(running([endpoint('iris')]));
    client.call.mockResolvedValue({
      revision: 1,
      models: Array.from({ length: 60 }, (_, n) => ({
        name: n ? `model-${n}` : 'iris',
        versions: ['2', '1'],
        aliases: { Champion: '2' },
        stages: { '1': 'Staging' }
      }))
    });
    await show({ kind: 'models', name: '' });
    const row = host.querySelector('tbody tr');
    for (const text of ['iris', 'Champion=2', 'Staging=1', 'Ready']) {
      expect(row?.textContent).toContain(text);
    }
    expect(host.querySelectorAll('tbody tr')).toHaveLength(50);
    expect(host.textContent).toContain('The first 50 of 60.');
  });
});
