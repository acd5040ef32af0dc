import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';

import { addCommands, CommandIDs } from '../commands/index';
import { type IServices, ServicesContext } from '../components/context';
import { Panel } from '../components/sidebar/panel';
import { Tabs } from '../components/tabs';
import { StatusStore } from '../model/store';
import { RequestError } from '../request';
import { makeServices } from '../services';
import { endpoint, fakeClient, running, STOPPED, version } from './samples';

const trans = nullTranslator.load('jupyter-modelserve');
const settle = () =>
  React.act(() => new Promise<void>(resolve => setTimeout(resolve, 20)));

describe('the panel', () => {
  let host: HTMLElement;
  let root: Root;
  let client: ReturnType<typeof fakeClient>;
  let status: StatusStore;
  let services: IServices;
  const run = jest.fn(async () => undefined);

  beforeAll(() => {
    (globalThis as Record<string, unknown>).IS_REACT_ACT_ENVIRONMENT = true;
    globalThis.ResizeObserver = class {
      observe() {}
      unobserve() {}
      disconnect() {}
    } as unknown as typeof ResizeObserver;
  });

  beforeEach(() => {
    run.mockClear();
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

  async function show(): Promise<void> {
    React.act(() =>
      root.render(
        <ServicesContext.Provider value={services}>
          <Panel />
        </ServicesContext.Provider>
      )
    );
    await React.act(() => status.refresh());
    await settle();
  }

  function button(name: string): HTMLButtonElement {
    const found = Array.from(host.querySelectorAll('button')).find(
      each =>
        each.textContent === name || each.getAttribute('aria-label') === name
    );
    if (!found) {
      throw new Error(`no button ${name} in ${host.innerHTML}`);
    }
    return found;
  }

  it('offers to start a stopped instance and teaches the magics', async () => {
    client.status.mockResolvedValue(STOPPED);
    await show();
    expect(host.textContent).toContain('%load_ext jupyter_modelserve');
    expect(host.textContent).toContain('%register iris model');
    React.act(() => button('Start').click());
    await settle();
    expect(client.start).toHaveBeenCalledTimes(1);
  });

  it('teaches the first step when nothing is registered', async () => {
    await show();
    expect(host.textContent).toContain('No model is registered yet.');
    React.act(() => button('Register a logged model').click());
    expect(run).toHaveBeenCalledWith(CommandIDs.register);
  });

  it('says that the server half is missing', async () => {
    client.status.mockRejectedValue(new RequestError('x', 404, ''));
    await show();
    expect(host.querySelector('[role=alert]')?.textContent).toContain(
      'The server half of this extension is not enabled.'
    );
  });

  it('shows endpoints with their state once, and why a version failed', async () => {
    const failed = version({
      version: '3',
      state: 'FAILED',
      failure: {
        cause: 'missing module',
        message: 'xgboost is not installed',
        hint: 'Add it to pip_requirements',
        log_tail: ['ModuleNotFoundError: xgboost']
      }
    });
    client.status.mockResolvedValue(
      running([
        endpoint('good'),
        endpoint('bad', {
          update: 'UPDATE_FAILED',
          versions: [version(), failed]
        })
      ])
    );
    await show();
    const [good, bad] = Array.from(
      host.querySelectorAll('.jp-modelserve-endpoint')
    );
    expect(good.textContent?.match(/Ready/g)).toHaveLength(2);
    for (const text of [
      'Ready, update failed',
      'missing module',
      'Add it to pip_requirements',
      'ModuleNotFoundError'
    ]) {
      expect(bad.textContent).toContain(text);
    }
  });

  it('draws models as a tree that the keyboard moves in', async () => {
    client.call.mockResolvedValue({
      revision: 1,
      models: [
        { name: 'iris', versions: ['1'], aliases: {}, stages: {} },
        { name: 'heart', versions: ['1'], aliases: {}, stages: {} }
      ]
    });
    await show();
    const tree = host.querySelector<HTMLElement>('[role=tree]')!;
    const press = (key: string) =>
      React.act(() => {
        tree.dispatchEvent(
          new KeyboardEvent('keydown', { key, bubbles: true })
        );
      });
    press('End');
    const active = () =>
      document.getElementById(tree.getAttribute('aria-activedescendant')!);
    expect(active()?.dataset.modelserveModel).toBe('heart');
    press('ArrowRight');
    expect(active()?.getAttribute('aria-expanded')).toBe('true');
    press('ArrowDown');
    press('Enter');
    expect(run).toHaveBeenCalledWith(CommandIDs.openVersion, {
      model: 'heart',
      version: '1'
    });
  });

  it('has tabs that arrow keys choose', () => {
    const tabs = ['One', 'Two'].map(label => ({
      id: label,
      label,
      content: () => `content of ${label}`
    }));
    React.act(() => root.render(<Tabs label="Parts" tabs={tabs} />));
    const bar = host.querySelector('[role=tablist]')!;
    React.act(() => {
      bar.dispatchEvent(
        new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true })
      );
    });
    expect(host.querySelector('[role=tabpanel]')?.textContent).toBe(
      'content of Two'
    );
    expect(document.activeElement?.textContent).toBe('Two');
  });

  it('has a command for everything, each with a label and arguments', async () => {
    const commands = new CommandRegistry();
    const palette = { addItem: jest.fn() };
    const launcher = { add: jest.fn() };
    addCommands(
      {
        app: { commands } as unknown as JupyterFrontEnd,
        shell: {} as ILabShell,
        services,
        notebooks: null,
        openPage: jest.fn()
      },
      palette as never,
      launcher as never
    );
    for (const id of Object.values(CommandIDs)) {
      expect(commands.label(id)).not.toBe('');
      const { args } = await commands.describedBy(id);
      expect(args).toMatchObject({ type: 'object' });
    }
    expect(launcher.add).toHaveBeenCalledTimes(1);
    expect(palette.addItem.mock.calls.length).toBe(
      Object.values(CommandIDs).length
    );
  });
});
