import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';

import type { IEndpoint } from '../api';
import { type IServices, ServicesContext } from '../components/context';
import { Compute } from '../components/pages/compute';
import { StatusStore } from '../model/store';
import { makeServices } from '../services';
import { endpoint, fakeClient, running } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');

describe('the compute of an endpoint', () => {
  let host: HTMLElement;
  let root: Root;
  let client: ReturnType<typeof fakeClient>;
  let status: StatusStore;
  let services: IServices;

  beforeEach(() => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    host = document.body.appendChild(document.createElement('div'));
    root = createRoot(host);
    client = fakeClient();
    client.status.mockResolvedValue(running());
    status = new StatusStore(client, trans);
    const app = { commands: new CommandRegistry() } as JupyterFrontEnd;
    const made = makeServices(app, client, status, null, trans, {
      logLines: 10
    });
    services = { ...made, run: jest.fn(async () => undefined) };
  });

  afterEach(() => {
    React.act(() => root.unmount());
    status.dispose();
    host.remove();
  });

  const show = (seen: IEndpoint) =>
    React.act(async () =>
      root.render(
        <ServicesContext.Provider value={services}>
          <Compute endpoint={seen} />
        </ServicesContext.Provider>
      )
    );

  const button = (name: string) =>
    Array.from(host.querySelectorAll('button')).find(
      each => each.textContent === name
    )!;

  const choose = (engine: string) =>
    React.act(async () => {
      const list = host.querySelector<HTMLSelectElement>(
        '.jp-modelserve-engine select'
      )!;
      list.value = engine;
      list.dispatchEvent(new Event('change', { bubbles: true }));
    });

  const saved = () =>
    client.call.mock.calls
      .filter(([operation]) => operation === 'PUT /endpoints/{name}')
      .map(([, options]) => options?.headers);

  const later = (seen: IEndpoint, part: Partial<IEndpoint['spec']> = {}) => ({
    ...seen,
    generation: seen.generation + 1,
    spec: { ...seen.spec, ...part }
  });

  it('is not saved over what somebody else changed meanwhile', async () => {
    const first = endpoint('iris');
    await show(first);
    await choose('docker');
    expect(button('Save').disabled).toBe(false);
    const second = later(first, { tags: { team: 'theirs' } });
    await show(second);
    expect(host.textContent).toContain('Somebody else changed this endpoint');
    expect(button('Save').disabled).toBe(true);
    await React.act(async () => button('Reset').click());
    expect(host.textContent).toContain('Nothing to save.');
    await choose('docker');
    await React.act(async () => button('Save').click());
    expect(saved()).toEqual([
      { 'If-Match': `"${second.generation}-${second.created_at}"` }
    ]);
  });

  it('is saved again after a save, and beside a change of a secret', async () => {
    const first = endpoint('iris');
    await show(first);
    await choose('docker');
    await React.act(async () => button('Save').click());
    const second = later(first, { engine: 'docker' });
    await show(second);
    expect(host.textContent).toContain('Nothing to save.');
    await choose('auto');
    const third = later(second);
    await show(third);
    expect(button('Save').disabled).toBe(false);
    await React.act(async () => button('Save').click());
    expect(saved()).toEqual(
      [first, third].map(each => ({
        'If-Match': `"${each.generation}-${each.created_at}"`
      }))
    );
  });
});
