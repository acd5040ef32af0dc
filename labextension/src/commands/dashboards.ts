import { Notification } from '@jupyterlab/apputils';
import { PathExt, URLExt } from '@jupyterlab/coreutils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { modelserveIcon } from '../icons';
import { CommandIDs } from './ids';
import { type ITools, schema, text, under } from './shared';

/** Where the dashboards are looked for, below the folder that JupyterLab shows. */
const FOLDERS = ['dashboards', 'notebooks/dashboards'];

/** What a dashboard is about: names of the page's query. */
export interface IDashboard {
  page: string;
  query: Record<string, string>;
}

/** The dashboard for a row of the panel: of an endpoint the form, of a model or version the registry, else the monitor. */
export function dashboardFor(row: {
  endpoint?: string;
  model?: string;
  version?: string;
}): IDashboard {
  const { endpoint, model, version } = row;
  if (endpoint) {
    return { page: 'scoring_form', query: { endpoint } };
  }
  if (model) {
    const query: Record<string, string> = version
      ? { model, version }
      : { model };
    return { page: 'registry_browser', query };
  }
  return { page: 'serving_monitor', query: {} };
}

/** The address below which Voila shows *path* in the theme of JupyterLab. */
export function addressOf(
  baseUrl: string,
  path: string,
  query: Record<string, string>,
  dark: boolean
): string {
  const all = { ...query, theme: dark ? 'dark' : 'light' };
  return (
    URLExt.join(baseUrl, 'voila', 'render', URLExt.encodeParts(path)) +
    URLExt.objectToQueryString(all)
  );
}

/** Commands that leave JupyterLab for a page of Voila. */
export function addDashboardCommands(tools: ITools): void {
  const { app, services } = tools;
  const { trans } = services;
  app.commands.addCommand(CommandIDs.openDashboard, {
    label: trans.__('Open Dashboard'),
    caption: trans.__(
      'Open the page of Voila for this in a new tab: form, registry or monitor'
    ),
    icon: modelserveIcon,
    describedBy: {
      args: schema({
        endpoint: trans.__('Name of the endpoint'),
        model: trans.__('Name of the model'),
        version: trans.__('Number of the version')
      })
    },
    execute: args => open(tools, args)
  });
}

async function open(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): Promise<void> {
  const row = under(tools, args);
  const { page, query } = dashboardFor({
    endpoint: text(args, 'endpoint') || row.modelserveEndpoint,
    model: text(args, 'model') || row.modelserveModel,
    version: text(args, 'version') || row.modelserveVersion
  });
  const path = await find(tools, `${page}.ipynb`);
  if (!path) {
    const { trans } = tools.services;
    const text = trans.__(
      'The dashboard was not found. Copy notebooks/dashboards of jupyter-modelserve into the folder that JupyterLab shows, under the name dashboards.'
    );
    Notification.error(text, { autoClose: false });
    return;
  }
  const dark = document.body.dataset.jpThemeLight === 'false';
  const { baseUrl } = tools.app.serviceManager.serverSettings;
  window.open(addressOf(baseUrl, path, query, dark), '_blank', 'noopener');
}

/** The path of a dashboard, or the empty text. */
async function find(tools: ITools, name: string): Promise<string> {
  const { contents } = tools.app.serviceManager;
  for (const folder of FOLDERS) {
    const path = PathExt.join(folder, name);
    try {
      await contents.get(path, { content: false });
      return path;
    } catch {
      continue;
    }
  }
  return '';
}
