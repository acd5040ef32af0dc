/**
 * The JupyterLab side of jupyter-modelserve: the panel, its pages and their commands.
 */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  type MainAreaWidget,
  Notification,
  showErrorMessage,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCommands, CommandIDs } from './commands/index';
import type { IPage } from './commands/shared';
import type { IServices } from './components/context';
import { told } from './model/activity';
import { followHints } from './model/hints';
import { StatusStore } from './model/store';
import { RestClient } from './request';
import { LOG_LINES, makeServices } from './services';
import { IModelServeModel } from './tokens';
import { addCards } from './widgets/card';
import { idOf, mainArea, Page, PAGES } from './widgets/page';
import { ModelServePanel, PANEL_ID } from './widgets/panel';

const PLUGIN_ID = 'jupyter-modelserve:plugin';
const PANEL_RANK = 600;
const SECOND = 1000;

async function followSettings(
  registry: ISettingRegistry,
  store: StatusStore,
  options: { logLines: number }
): Promise<void> {
  const settings = await registry.load(PLUGIN_ID);
  const apply = () => {
    const seconds = settings.get('pollInterval').composite;
    if (typeof seconds === 'number') {
      store.idleInterval = seconds * SECOND;
    }
    const lines = settings.get('logLines').composite;
    if (typeof lines === 'number') {
      options.logLines = lines;
    }
  };
  settings.changed.connect(apply);
  apply();
}

/** Pages of the main area: one of each, restored with the layout. */
function pages(
  shell: ILabShell,
  restorer: ILayoutRestorer | null,
  store: StatusStore,
  services: IServices
): (page: IPage) => void {
  const tracker = new WidgetTracker<MainAreaWidget<Page>>({ namespace: PAGES });
  void restorer?.restore(tracker, {
    command: CommandIDs.openPage,
    name: widget => widget.id,
    args: widget => ({ ...widget.content.page })
  });
  return page => {
    const known = tracker.find(each => each.id === idOf(page));
    if (known) {
      known.content.goTo(page.tab);
      shell.activateById(known.id);
      return;
    }
    const content = new Page(store, services, page);
    const widget = mainArea(content);
    content.pageChanged.connect(() => void tracker.save(widget));
    void tracker.add(widget);
    shell.add(widget, 'main');
    shell.activateById(widget.id);
  };
}

const plugin: JupyterFrontEndPlugin<IModelServeModel> = {
  id: PLUGIN_ID,
  description:
    'Shows registered models and what is served, and does what the magics do.',
  autoStart: true,
  provides: IModelServeModel,
  optional: [
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ISettingRegistry,
    ITranslator,
    IStateDB,
    ILauncher,
    INotebookTracker,
    IRenderMimeRegistry
  ],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null,
    keeper: IStateDB | null,
    launcher: ILauncher | null,
    notebooks: INotebookTracker | null,
    rendermime: IRenderMimeRegistry | null
  ): IModelServeModel => {
    const trans = (translator ?? nullTranslator).load('jupyter-modelserve');
    const client = new RestClient(app.serviceManager.serverSettings);
    const store = new StatusStore(client, trans);
    const options = { logLines: LOG_LINES };
    // Voila activates extensions in a shell without side bars: there the model alone is of use, and it looks at nothing
    // until it is asked.
    if (shell) {
      const services = makeServices(app, client, store, keeper, trans, options);
      const panel = new ModelServePanel(store, services);
      shell.add(panel, 'left', { rank: PANEL_RANK });
      restorer?.add(panel, PANEL_ID);
      const openPage = pages(shell, restorer, store, services);
      addCommands(
        { app, shell, services, notebooks, openPage },
        palette,
        launcher
      );
      if (rendermime) {
        const { baseUrl } = app.serviceManager.serverSettings;
        addCards(rendermime, store, services, baseUrl);
      }
      followHints(app.serviceManager.events.stream, store);
      services.activity.failed.connect((_, task) => {
        // JupyterLab cuts long notifications short, and what to do comes last.
        const label = trans.__('Details');
        const callback = () => void showErrorMessage(task.title, told(task));
        Notification.error(`${task.title}: ${told(task)}`, {
          autoClose: false,
          actions: [{ label, callback }]
        });
      });
      void services.view.restore();
    }
    if (settings) {
      followSettings(settings, store, options).catch((reason: unknown) => {
        console.warn('jupyter-modelserve: settings were not loaded', reason);
      });
    }
    return store;
  }
};

export default plugin;
export { IModelServeModel } from './tokens';
export type { ViewState } from './tokens';
