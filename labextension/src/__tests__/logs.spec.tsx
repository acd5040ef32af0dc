import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot } from 'react-dom/client';

import { ServicesContext } from '../components/context';
import { Logs } from '../components/pages/logs';
import { StatusStore } from '../model/store';
import { makeServices } from '../services';
import { fakeClient, version } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');

describe('the log of a version', () => {
  it('is of all replicas, or of one that is chosen', async () => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    // Without a layout nothing has an offset, as in a page that is not shown.
    Object.defineProperty(HTMLElement.prototype, 'offsetParent', {
      get: () => document.body
    });
    const host = document.body.appendChild(document.createElement('div'));
    const root = createRoot(host);
    const client = fakeClient();
    client.call.mockImplementation(async (_, options) => ({
      logs: options?.query?.replica ? 'only one' : 'one and two',
      lines: ['one', 'two'].map(replica => ({ replica, text: 'x' })),
      next: ''
    }));
    const status = new StatusStore(client, trans);
    const app = { commands: new CommandRegistry() } as JupyterFrontEnd;
    const options = { logLines: 10 };
    const services = makeServices(app, client, status, null, trans, options);
    const settle = () =>
      React.act(() => new Promise<void>(resolve => setTimeout(resolve, 50)));
    React.act(() =>
      root.render(
        <ServicesContext.Provider value={services}>
          <Logs endpoint="iris" version={version()} />
        </ServicesContext.Provider>
      )
    );
    await settle();
    const choice = host.querySelector('select')!;
    expect(Array.from(choice.options).map(each => each.text)).toEqual([
      'All replicas',
      'Replica one',
      'Replica two'
    ]);
    expect(host.querySelector('pre')?.textContent).toBe('one and two');
    React.act(() => {
      choice.value = 'two';
      choice.dispatchEvent(new Event('change', { bubbles: true }));
    });
    await settle();
    expect(client.call).toHaveBeenLastCalledWith(
      'GET /endpoints/{name}/logs',
      expect.objectContaining({
        query: { model: 'iris', version: '2', tail: 10, replica: 'two' }
      })
    );
    expect(host.querySelector('pre')?.textContent).toBe('only one');
    React.act(() => root.unmount());
    status.dispose();
    host.remove();
  });
});
