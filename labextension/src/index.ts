/**
 * The JupyterLab side of jupyter-modelserve: a panel that shows what is served.
 */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCommands } from './commands';
import { followHints } from './model/hints';
import { StatusStore } from './model/store';
import { RestClient } from './request';
import { IModelServeModel } from './tokens';
import { ModelServePanel, PANEL_ID } from './widgets/panel';

const PLUGIN_ID = 'jupyter-modelserve:plugin';
const PANEL_RANK = 600;
const SECOND = 1000;

async function followSettings(
  registry: ISettingRegistry,
  store: StatusStore
): Promise<void> {
  const settings = await registry.load(PLUGIN_ID);
  const apply = () => {
    const seconds = settings.get('pollInterval').composite;
    if (typeof seconds === 'number') {
      store.idleInterval = seconds * SECOND;
    }
  };
  settings.changed.connect(apply);
  apply();
}

const plugin: JupyterFrontEndPlugin<IModelServeModel> = {
  id: PLUGIN_ID,
  description:
    'Shows what is served: the instance, its endpoints and versions.',
  autoStart: true,
  provides: IModelServeModel,
  optional: [
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ISettingRegistry,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null
  ): IModelServeModel => {
    const trans = (translator ?? nullTranslator).load('jupyter-modelserve');
    const client = new RestClient(app.serviceManager.serverSettings);
    const store = new StatusStore(client, trans);
    // Voila activates extensions in a shell without side bars: there the model alone is of use, and it looks at nothing
    // until it is asked.
    if (shell) {
      const panel = new ModelServePanel(store, trans);
      shell.add(panel, 'left', { rank: PANEL_RANK });
      restorer?.add(panel, PANEL_ID);
      addCommands(app, shell, store, trans, palette);
      followHints(app.serviceManager.events.stream, store);
    }
    if (settings) {
      followSettings(settings, store).catch((reason: unknown) => {
        console.warn('jupyter-modelserve: settings were not loaded', reason);
      });
    }
    return store;
  }
};

export default plugin;
export { IModelServeModel } from './tokens';
export type { IEndpoint, IInstance, IVersionStatus, ViewState } from './tokens';
