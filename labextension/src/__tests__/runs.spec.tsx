import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot } from 'react-dom/client';

import { type IServices, ServicesContext } from '../components/context';
import { NotebookRuns } from '../components/sidebar/runs';
import { StatusStore } from '../model/store';
import { makeServices } from '../services';
import { fakeClient, running } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');
const settle = () =>
  React.act(() => new Promise<void>(resolve => setTimeout(resolve, 20)));

describe('runs of notebooks', () => {
  it('are shown once there are some, with what failed', async () => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    const host = document.body.appendChild(document.createElement('div'));
    const root = createRoot(host);
    const client = fakeClient();
    const status = new StatusStore(client, trans);
    const app = { commands: new CommandRegistry() } as JupyterFrontEnd;
    const services: IServices = makeServices(app, client, status, null, trans, {
      logLines: 10
    });
    React.act(() =>
      root.render(
        <ServicesContext.Provider value={services}>
          <NotebookRuns />
        </ServicesContext.Provider>
      )
    );
    await React.act(() => status.refresh());
    await settle();
    expect(host.textContent).toBe('');

    const found = running();
    found.instance!.notebook_runs = 3;
    client.status.mockResolvedValue(found);
    client.call.mockImplementation(
      async () =>
        ({
          runs: [
            {
              id: '5f0c',
              notebook: '/n/train.ipynb',
              output: '/o/x.ipynb',
              state: 'failed',
              started_at: 1,
              ended_at: 2,
              failed: {
                cell: 'cell-1',
                heading: 'Compare',
                error: 'ValueError',
                message: 'no rows'
              }
            }
          ]
        }) as never
    );
    await React.act(() => status.refresh());
    await settle();
    expect(client.call).toHaveBeenLastCalledWith('GET /notebook-runs', {
      query: { limit: 5 }
    });
    expect(host.textContent).toContain('train.ipynb');
    expect(host.textContent).toContain('cell-1 (Compare): ValueError: no rows');
    React.act(() => root.unmount());
    status.dispose();
    host.remove();
  });
});
