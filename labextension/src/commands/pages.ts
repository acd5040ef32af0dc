import { refreshIcon, runIcon } from '@jupyterlab/ui-components';

import { modelserveIcon } from '../icons';
import { PANEL_ID } from '../widgets/panel';
import { CommandIDs } from './ids';
import {
  chooseEndpoint,
  chooseModel,
  chooseVersion,
  type IPage,
  type ITools,
  schema,
  text
} from './shared';

/** Commands that show something. */
export function addPageCommands(tools: ITools): void {
  const { app, shell, services, openPage } = tools;
  const { trans, status, models } = services;
  const { commands } = app;
  const tab = trans.__('The tab to show');
  commands.addCommand(CommandIDs.open, {
    label: trans.__('Model Serving'),
    caption: trans.__('Show models and what is served'),
    icon: modelserveIcon,
    describedBy: { args: schema({}) },
    execute: () => shell.activateById(PANEL_ID)
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh Model Serving'),
    caption: trans.__('Look again at what is registered and served'),
    icon: refreshIcon,
    describedBy: { args: schema({}) },
    execute: () => Promise.all([status.refresh(), models.refresh()])
  });
  commands.addCommand(CommandIDs.start, {
    label: trans.__('Start Model Serving'),
    caption: trans.__('Start the instance when none runs'),
    icon: runIcon,
    describedBy: { args: schema({}) },
    isEnabled: () => status.state.kind !== 'running',
    execute: async () => {
      shell.activateById(PANEL_ID);
      await status.start();
    }
  });
  status.stateChanged.connect(() => {
    commands.notifyCommandChanged(CommandIDs.start);
  });
  commands.addCommand(CommandIDs.openModel, {
    label: trans.__('Open Model'),
    caption: trans.__('Show a registered model: versions, aliases, serving'),
    icon: modelserveIcon,
    describedBy: {
      args: schema({ model: trans.__('Name of the model'), tab })
    },
    execute: async args => {
      const name = await chooseModel(tools, args);
      if (name) {
        openPage({ kind: 'model', name, version: '', tab: text(args, 'tab') });
      }
    }
  });
  commands.addCommand(CommandIDs.openVersion, {
    label: trans.__('Open Version'),
    caption: trans.__('Show a version: signature, example, metrics, files'),
    icon: modelserveIcon,
    describedBy: {
      args: schema({
        model: trans.__('Name of the model'),
        version: trans.__('Number of the version'),
        tab
      })
    },
    execute: async args => {
      const found = await chooseVersion(tools, args);
      if (found) {
        openPage({
          kind: 'version',
          name: found.model.name,
          version: found.version,
          tab: text(args, 'tab')
        });
      }
    }
  });
  commands.addCommand(CommandIDs.openEndpoint, {
    label: trans.__('Open Endpoint'),
    caption: trans.__('Show an endpoint: versions, logs, events, compute'),
    icon: modelserveIcon,
    describedBy: {
      args: schema({ endpoint: trans.__('Name of the endpoint'), tab })
    },
    execute: async args => {
      const name = await chooseEndpoint(tools, args);
      if (name) {
        openPage({
          kind: 'endpoint',
          name,
          version: '',
          tab: text(args, 'tab')
        });
      }
    }
  });
  commands.addCommand(CommandIDs.query, {
    label: trans.__('Send a Request'),
    caption: trans.__('Send rows to an endpoint and see its predictions'),
    icon: runIcon,
    describedBy: {
      args: schema({ endpoint: trans.__('Name of the endpoint') })
    },
    execute: async args => {
      const name = await chooseEndpoint(tools, args);
      if (name) {
        openPage({ kind: 'query', name, version: '', tab: '' });
      }
    }
  });
  commands.addCommand(CommandIDs.openPage, {
    label: trans.__('Open a Page of Model Serving'),
    caption: trans.__('Open a page as it was'),
    describedBy: {
      args: schema(
        {
          kind: 'model, version, endpoint, query',
          name: trans.__('Name of the model or endpoint'),
          version: trans.__('Number of the version'),
          tab
        },
        ['kind', 'name']
      )
    },
    isVisible: () => false,
    execute: args => {
      const kind = text(args, 'kind');
      if (isKind(kind)) {
        const name = text(args, 'name');
        const version = text(args, 'version');
        openPage({ kind, name, version, tab: text(args, 'tab') });
      }
    }
  });
}

function isKind(text: string): text is IPage['kind'] {
  return ['model', 'version', 'endpoint', 'query'].includes(text);
}
