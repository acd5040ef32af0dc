import type { ICommandPalette } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';

import { CommandIDs } from './ids';
import { addDashboardCommands } from './dashboards';
import { addGrantCommands } from './grants';
import { addNotebookCommands } from './notebook';
import { addPageCommands } from './pages';
import { addRegistryCommands } from './registry';
import { addServingCommands } from './serving';
import type { ITools } from './shared';

export { CommandIDs } from './ids';

/** Add the commands to the application, the palette and the launcher. */
export function addCommands(
  tools: ITools,
  palette: ICommandPalette | null,
  launcher: ILauncher | null
): void {
  addPageCommands(tools);
  addDashboardCommands(tools);
  addServingCommands(tools);
  addRegistryCommands(tools);
  addGrantCommands(tools);
  addNotebookCommands(tools);
  const { trans } = tools.services;
  const category = trans.__('Model Serving');
  for (const command of Object.values(CommandIDs)) {
    palette?.addItem({ command, category });
  }
  launcher?.add({
    command: CommandIDs.open,
    category: trans.__('Other'),
    rank: 50
  });
}
