import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import {
  addDashboardCommands,
  addressOf,
  dashboardFor
} from '../commands/dashboards';
import { CommandIDs } from '../commands/ids';
import type { ITools } from '../commands/shared';

describe('dashboards', () => {
  const trans = nullTranslator.load('jupyter-modelserve');
  const get = jest.fn();
  const commands = new CommandRegistry();
  const app = {
    commands,
    serviceManager: {
      contents: { get },
      serverSettings: { baseUrl: 'http://127.0.0.1:1/user/ann/' }
    }
  } as unknown as JupyterFrontEnd;
  addDashboardCommands({ app, services: { trans } } as unknown as ITools);
  const opened = jest.fn();

  beforeEach(() => {
    window.open = opened.mockReset();
    get.mockReset();
  });

  it('chooses the page for a row', () => {
    expect(dashboardFor({}).page).toBe('serving_monitor');
    expect(dashboardFor({ endpoint: 'live' })).toEqual({
      page: 'scoring_form',
      query: { endpoint: 'live' }
    });
    expect(dashboardFor({ model: 'a.b.c', version: '2' })).toEqual({
      page: 'registry_browser',
      query: { model: 'a.b.c', version: '2' }
    });
  });

  it('encodes what is in the address and passes the theme on', () => {
    const query = { model: 'my model&x' };
    expect(addressOf('/user/ann/', 'a b/c.ipynb', query, true)).toBe(
      '/user/ann/voila/render/a%20b/c.ipynb?model=my%20model%26x&theme=dark'
    );
  });

  it('opens the dashboard in the first folder that has it', async () => {
    get.mockRejectedValueOnce(new Error('404')).mockResolvedValueOnce({});
    await commands.execute(CommandIDs.openDashboard, { model: 'iris' });
    expect(get.mock.calls.map(([path]) => path as string)).toEqual([
      'dashboards/registry_browser.ipynb',
      'notebooks/dashboards/registry_browser.ipynb'
    ]);
    expect(opened).toHaveBeenCalledWith(
      'http://127.0.0.1:1/user/ann/voila/render/notebooks/dashboards/registry_browser.ipynb?model=iris&theme=light',
      '_blank',
      'noopener'
    );
  });

  it('says what to do when there is none', async () => {
    get.mockRejectedValue(new Error('404'));
    await commands.execute(CommandIDs.openDashboard, {});
    const [said] = Notification.manager.notifications;
    expect(said.message).toContain('notebooks/dashboards');
    expect(opened).not.toHaveBeenCalled();
  });
});
