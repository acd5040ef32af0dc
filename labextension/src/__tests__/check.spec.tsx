import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';

import type { ICheck } from '../api';
import { Checks } from '../components/pages/check';
import { type IServices, ServicesContext } from '../components/context';
import { StatusStore } from '../model/store';
import { makeServices } from '../services';
import { fakeClient } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');

function check(part: Partial<ICheck>): ICheck {
  return {
    id: 'c',
    model: 'iris',
    version: '1',
    source: '',
    state: 'passed',
    started_at: 1,
    seconds: 2.5,
    overrides: { requirements: [], remove: [], python: '' },
    verdict: 'passed',
    failure: null,
    environment: null,
    phases: [],
    warnings: [],
    missing: [],
    digest: '',
    log: '',
    ...part
  } as ICheck;
}

describe('the validation of a version', () => {
  let host: HTMLElement;
  let root: Root;
  let client: ReturnType<typeof fakeClient>;
  let services: IServices;
  let status: StatusStore;
  let answer: { check: ICheck | null; trial: ICheck | null };

  beforeEach(() => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    host = document.body.appendChild(document.createElement('div'));
    root = createRoot(host);
    client = fakeClient();
    client.call.mockImplementation(async () => answer);
    status = new StatusStore(client, trans);
    const app = { commands: new CommandRegistry() } as JupyterFrontEnd;
    const options = { logLines: 10 };
    services = makeServices(app, client, status, null, trans, options);
  });

  afterEach(() => {
    React.act(() => root.unmount());
    status.dispose();
    host.remove();
  });

  const settle = () =>
    React.act(() => new Promise<void>(resolve => setTimeout(resolve, 20)));

  async function show(): Promise<void> {
    React.act(() =>
      root.render(
        <ServicesContext.Provider value={services}>
          <Checks model="iris" version="1" source="models:/m-1" />
        </ServicesContext.Provider>
      )
    );
    await settle();
  }

  const button = (name: string) =>
    Array.from(host.querySelectorAll('button')).find(
      each => each.textContent === name
    )!;

  it('is offered, and asked for once pressed', async () => {
    answer = { check: null, trial: null };
    await show();
    expect(client.call).toHaveBeenCalledTimes(1);
    React.act(() => button('Validate').click());
    await settle();
    expect(client.call).toHaveBeenCalledWith(
      'POST /models/{name}/versions/{version}/check',
      { path: { name: 'iris', version: '1' }, body: {} }
    );
  });

  it('names the cause, and tries what would mend it', async () => {
    const failure = {
      cause: 'missing module',
      message: 'no module named tqdm',
      hint: 'Add tqdm',
      log_tail: []
    };
    answer = {
      check: check({
        state: 'failed',
        failure: failure as unknown as ICheck['failure'],
        missing: ['tqdm==4.66']
      }),
      trial: null
    };
    await show();
    for (const text of ['Failed', 'missing module', 'Add tqdm', '2.5 s']) {
      expect(host.textContent).toContain(text);
    }
    expect(host.querySelector('textarea')?.value).toBe('tqdm==4.66');
    expect(host.textContent).toContain(
      '%check iris/1 --requirement tqdm==4.66'
    );
    React.act(() => button('Try').click());
    await settle();
    expect(client.call).toHaveBeenCalledWith(
      'POST /models/{name}/versions/{version}/check',
      {
        path: { name: 'iris', version: '1' },
        body: { overrides: { requirements: ['tqdm==4.66'], python: '' } }
      }
    );
  });

  it('gives the cell that makes a version of what a trial proved', async () => {
    const overrides = { requirements: ['tqdm==4.66'], remove: [], python: '' };
    answer = { check: null, trial: check({ overrides }) };
    await show();
    expect(host.textContent).toContain(
      'ms.update_requirements("models:/m-1", ["tqdm==4.66"])\n%register iris models:/m-1'
    );
  });
});
