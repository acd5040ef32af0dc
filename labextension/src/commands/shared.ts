import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type {
  ReadonlyJSONObject,
  ReadonlyPartialJSONObject
} from '@lumino/coreutils';

import type { IOutlineModel } from '../api';
import type { IServices } from '../components/context';

/** Which page of the main area. */
export interface IPage {
  kind: 'model' | 'version' | 'endpoint' | 'query';
  name: string;
  version: string;
  tab: string;
}

/** What commands need besides the stores. */
export interface ITools {
  app: JupyterFrontEnd;
  shell: ILabShell;
  services: IServices;
  notebooks: INotebookTracker | null;
  openPage(page: IPage): void;
}

const WHERE = '“menu” takes the row under the pointer instead of names';

/** A command's arguments as JSON schema. */
export function schema(
  properties: Record<string, string>,
  required: string[] = []
): ReadonlyJSONObject {
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries({ ...properties, where: WHERE }).map(
        ([name, description]) => [name, { type: 'string', description }]
      )
    ),
    required,
    additionalProperties: false
  };
}

/** A text among the arguments, or the empty text. */
export function text(args: ReadonlyPartialJSONObject, name: string): string {
  const value = args[name];
  return typeof value === 'string' ? value : '';
}

const ROW = '[data-modelserve-kind]';

/** What a context menu was opened on: for its items alone, because JupyterLab remembers the last one for ever. */
export function under(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): DOMStringMap {
  if (text(args, 'where') !== 'menu') {
    return {};
  }
  const node = tools.app.contextMenuHitTest(each => each.matches(ROW));
  return node?.dataset ?? {};
}

/** The model that a command is about: an argument, the row under the pointer, or the user's choice. */
export async function chooseModel(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): Promise<string | null> {
  const given = text(args, 'model') || under(tools, args).modelserveModel;
  if (given) {
    return given;
  }
  const { trans, models } = tools.services;
  if (!models.list.known) {
    await models.refresh();
  }
  const items = models.list.models.map(each => each.name);
  return choose(trans.__('Model'), items, trans.__('No model is registered.'));
}

/** The version that a command is about, with its model. */
export async function chooseVersion(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): Promise<{ model: IOutlineModel; version: string } | null> {
  const name = await chooseModel(tools, args);
  if (!name) {
    return null;
  }
  const { trans, models } = tools.services;
  if (!models.get(name)) {
    await models.refresh();
  }
  const model = models.get(name);
  if (!model) {
    const problem = models.list.problem;
    await showErrorMessage(
      trans.__('%1 was not found', name),
      problem ||
        trans.__('No model of this name is registered, or you may not see it.')
    );
    return null;
  }
  const given = text(args, 'version') || under(tools, args).modelserveVersion;
  if (given) {
    return { model, version: given };
  }
  const version =
    model.versions.length === 1
      ? model.versions[0]
      : await choose(
          trans.__('Version of %1', name),
          [...model.versions],
          trans.__('%1 has no version.', name)
        );
  return version ? { model, version } : null;
}

/** The endpoint that a command is about. */
export async function chooseEndpoint(
  tools: ITools,
  args: ReadonlyPartialJSONObject
): Promise<string | null> {
  const given = text(args, 'endpoint') || under(tools, args).modelserveEndpoint;
  if (given) {
    return given;
  }
  const { trans, endpoints, status } = tools.services;
  await status.refresh();
  const items = endpoints.all.map(each => each.spec.name);
  return choose(trans.__('Endpoint'), items, trans.__('Nothing is served.'));
}

async function choose(
  title: string,
  items: string[],
  none: string
): Promise<string | null> {
  if (items.length === 0) {
    await InputDialog.getItem({ title: none, items: [''] });
    return null;
  }
  const found = await InputDialog.getItem({ title, items, editable: false });
  return found.button.accept ? found.value : null;
}
