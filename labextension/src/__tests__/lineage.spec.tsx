import { nullTranslator } from '@jupyterlab/translation';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';

import type { ILineage, ILineageNode } from '../api';
import { CommandIDs } from '../commands/ids';
import { type IServices, ServicesContext } from '../components/context';
import { LineageGraph } from '../components/pages/lineage';
import { StatusStore } from '../model/store';
import { makeServices } from '../services';
import { fakeClient } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');
const settle = () =>
  React.act(() => new Promise<void>(resolve => setTimeout(resolve, 20)));

function node(part: Partial<ILineageNode>): ILineageNode {
  return {
    id: 'x',
    type: 'run',
    name: 'x',
    facts: {},
    withheld: false,
    column: 0,
    row: 0,
    ...part
  };
}

const ANSWER: ILineage = {
  focus: ['v'],
  nodes: [
    node({
      id: 'd',
      type: 'dataset',
      name: 'orders',
      facts: {
        rows: 120000,
        created_at: 1000,
        source_type: 'local',
        digest: 'ab12'
      }
    }),
    node({ id: 'v', type: 'version', name: 'dev.ml.iris 1', column: 1 }),
    node({
      id: 'w',
      type: 'version',
      name: 'withheld',
      withheld: true,
      column: 2
    }),
    node({ id: 'e', type: 'endpoint', name: 'shop', column: 2, row: 1 })
  ],
  edges: [
    ['d', 'v', 'registered'],
    ['v', 'w', 'copied'],
    ['v', 'e', 'served']
  ].map(([source, target, relation]) => ({
    source,
    target,
    relation: relation as ILineage['edges'][0]['relation'],
    at: 1,
    ended_at: relation === 'served' ? 5 : 0,
    facts: source === 'd' ? { context: 'training' } : {}
  })),
  truncated: true
};

describe('the lineage of a version', () => {
  let host: HTMLElement;
  let root: Root;
  let client: ReturnType<typeof fakeClient>;
  let status: StatusStore;
  const run = jest.fn(async () => undefined);

  beforeEach(async () => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    run.mockClear();
    host = document.body.appendChild(document.createElement('div'));
    root = createRoot(host);
    client = fakeClient();
    client.call.mockImplementation(async () => ANSWER as never);
    status = new StatusStore(client, trans);
    const app = { commands: new CommandRegistry() } as JupyterFrontEnd;
    const services: IServices = {
      ...makeServices(app, client, status, null, trans, { logLines: 10 }),
      run
    };
    React.act(() =>
      root.render(
        <ServicesContext.Provider value={services}>
          <LineageGraph model="dev.ml.iris" version="1" />
        </ServicesContext.Provider>
      )
    );
    await settle();
  });

  afterEach(() => {
    React.act(() => root.unmount());
    status.dispose();
    host.remove();
  });

  const box = (label: string) =>
    host.querySelector(`[role=button][aria-label="${label}"]`) as SVGGElement;
  const click = (element: Element) =>
    React.act(() => {
      element.dispatchEvent(new MouseEvent('click', { bubbles: true }));
    });

  it('asks for the version and draws every node and edge', () => {
    expect(client.call).toHaveBeenCalledWith(
      'GET /models/{name}/versions/{version}/lineage',
      {
        path: { name: 'dev.ml.iris', version: '1' },
        query: { history: 'false' }
      }
    );
    expect(host.querySelectorAll('rect')).toHaveLength(4);
    expect(host.querySelectorAll('path:not(.jp-mod-tip)')).toHaveLength(3);
    expect(host.querySelectorAll('.jp-mod-past')).toHaveLength(1);
    expect(host.querySelectorAll('.jp-mod-focus')).toHaveLength(1);
    expect(host.textContent).toContain('120,000 rows');
    expect(host.textContent).toContain('There is more than is shown here.');
    const row = host.querySelector(
      'table[aria-label="Upstream datasets"] tbody tr'
    );
    expect(
      Array.from(row!.querySelectorAll('td'), each => each.textContent)
    ).toEqual(['orders', 'training', 'local', '120,000', 'ab12']);
  });

  it('shows facts of what is chosen by mouse or key, and opens its page', () => {
    click(box('data set · 120,000 rows orders'));
    expect(host.textContent).toContain(new Date(1000).toLocaleString());
    React.act(() => {
      box('endpoint shop').dispatchEvent(
        new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })
      );
    });
    const open = Array.from(host.querySelectorAll('button')).find(
      each => each.textContent === 'Open'
    )!;
    click(open);
    expect(run).toHaveBeenCalledWith(CommandIDs.openEndpoint, {
      endpoint: 'shop'
    });
  });

  it('says of what is withheld that it is, and offers no page', () => {
    click(box('version withheld'));
    expect(host.textContent).toContain('You may not see this one.');
    expect(host.querySelectorAll('button')).toHaveLength(0);
  });

  it('asks again with what held once', async () => {
    click(host.querySelector('input[type=checkbox]')!);
    await settle();
    expect(client.call).toHaveBeenLastCalledWith(
      'GET /models/{name}/versions/{version}/lineage',
      {
        path: { name: 'dev.ml.iris', version: '1' },
        query: { history: 'true' }
      }
    );
  });
});
