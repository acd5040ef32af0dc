import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon, runIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';

import { modelserveIcon } from './icons';
import type { IModelServeModel } from './tokens';
import { PANEL_ID } from './widgets/panel';

/** Every command of the extension. */
export namespace CommandIDs {
  /** Show the panel. */
  export const open = 'modelserve:open';
  /** Look again at what is served. */
  export const refresh = 'modelserve:refresh';
  /** Start the instance. */
  export const start = 'modelserve:start';
}

const NO_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {},
  additionalProperties: false
};

/** Add the commands to the application and to the palette. */
export function addCommands(
  app: JupyterFrontEnd,
  shell: ILabShell,
  model: IModelServeModel,
  trans: TranslationBundle,
  palette: ICommandPalette | null
): void {
  const { commands } = app;
  commands.addCommand(CommandIDs.open, {
    label: trans.__('Model Serving'),
    caption: trans.__('Show what is served'),
    icon: modelserveIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: () => shell.activateById(PANEL_ID)
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh Model Serving'),
    caption: trans.__('Look again at what is served'),
    icon: refreshIcon,
    describedBy: { args: NO_ARGUMENTS },
    execute: () => model.refresh()
  });
  commands.addCommand(CommandIDs.start, {
    label: trans.__('Start Model Serving'),
    caption: trans.__('Start the instance when none runs'),
    icon: runIcon,
    describedBy: { args: NO_ARGUMENTS },
    isEnabled: () => model.state.kind !== 'running',
    execute: async () => {
      shell.activateById(PANEL_ID);
      await model.start();
    }
  });
  model.stateChanged.connect(() => {
    commands.notifyCommandChanged(CommandIDs.start);
  });
  const category = trans.__('Model Serving');
  for (const command of [
    CommandIDs.open,
    CommandIDs.refresh,
    CommandIDs.start
  ]) {
    palette?.addItem({ command, category });
  }
}
