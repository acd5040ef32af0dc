import { Clipboard, Notification } from '@jupyterlab/apputils';
import { NotebookActions } from '@jupyterlab/notebook';
import { addIcon, copyIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { IVersionDetail } from '../api';
import * as magics from '../model/magics';
import { pretty } from '../model/payload';
import { CommandIDs } from './ids';
import { type ITools, schema, text, under } from './shared';

interface ITarget {
  model: string;
  version: string;
  endpoint: string;
  code: string;
}

function targetOf(tools: ITools, args: ReadonlyPartialJSONObject): ITarget {
  const data = under(tools, args);
  return {
    model: text(args, 'model') || (data.modelserveModel ?? ''),
    version: text(args, 'version') || (data.modelserveVersion ?? ''),
    endpoint: text(args, 'endpoint') || (data.modelserveEndpoint ?? ''),
    code: text(args, 'code')
  };
}

/** The cell that uses something, without asking the server: for what is dragged. */
export function cellFor(target: Partial<ITarget>): string {
  if (target.endpoint) {
    return magics.score(target.endpoint);
  }
  const { model = '', version = '' } = target;
  return magics.serve(version ? `${model}/${version}` : model);
}

async function exampleOf(
  tools: ITools,
  endpoint: string
): Promise<string | undefined> {
  const { client, endpoints } = tools.services;
  const version = endpoints.get(endpoint)?.status.versions[0];
  if (!version) {
    return undefined;
  }
  try {
    const detail = await client.call<IVersionDetail>(
      'GET /models/{name}/versions/{version}',
      { path: { name: version.model, version: version.version } }
    );
    return detail.example ? pretty(detail.example) : undefined;
  } catch {
    return undefined; // a cell without an example is of use as well
  }
}

async function cell(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): Promise<string> {
  const target = targetOf(tools, args);
  if (target.code) {
    return target.code;
  }
  if (target.endpoint) {
    const example = await exampleOf(tools, target.endpoint);
    return magics.score(target.endpoint, example);
  }
  return target.model ? cellFor(target) : '%models';
}

/** Whether some cell loads the magics already. */
function loads(tools: ITools): boolean {
  const cells = tools.notebooks?.currentWidget?.content.widgets ?? [];
  return cells.some(each =>
    each.model.sharedModel.getSource().includes(magics.LOAD)
  );
}

async function insert(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): Promise<void> {
  const { trans } = tools.services;
  const source = await cell(tools, args);
  const notebook = tools.notebooks?.currentWidget;
  if (!notebook) {
    Clipboard.copyToSystem(source);
    Notification.info(
      trans.__('No notebook is open: the cell was copied instead.'),
      { autoClose: 5000 }
    );
    return;
  }
  const add = (code: string) => {
    NotebookActions.insertBelow(notebook.content);
    notebook.content.activeCell?.model.sharedModel.setSource(code);
  };
  if (source.startsWith('%') && !loads(tools)) {
    add(magics.LOAD);
  }
  add(source);
  tools.shell.activateById(notebook.id);
}

/** Commands that write cells. */
export function addNotebookCommands(tools: ITools): void {
  const { app, services } = tools;
  const { trans } = services;
  const args = schema({
    model: trans.__('Name of the model'),
    version: trans.__('Number of the version'),
    endpoint: trans.__('Name of the endpoint'),
    code: trans.__('The cell itself, instead of one of the above')
  });
  app.commands.addCommand(CommandIDs.insert, {
    label: trans.__('Insert into Notebook'),
    caption: trans.__('Insert the cell that uses this below the active cell'),
    icon: addIcon,
    describedBy: { args },
    execute: given => insert(tools, given)
  });
  app.commands.addCommand(CommandIDs.copyCell, {
    label: trans.__('Copy as Cell'),
    caption: trans.__('Copy the cell that uses this'),
    icon: copyIcon,
    describedBy: { args },
    execute: async given => {
      Clipboard.copyToSystem(await cell(tools, given));
    }
  });
}
