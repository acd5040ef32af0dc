import { ask, type IField, type Values } from '../components/dialogs/form';
import type { ILoggedModel } from '../model/actions';
import * as magics from '../model/magics';
import { isAlias, isModelName } from '../model/names';
import { CommandIDs } from './ids';
import { KNOWN_ALIASES } from './labels';
import type { ITools } from './shared';

const SHORT = 8;
const FOLDER = 'folder';

function sources(tools: ITools, logged: ILoggedModel[]): IField[] {
  const { trans } = tools.services;
  const label = (each: ILoggedModel) =>
    trans.__(
      '%1, run %2, %3',
      each.name || each.model_id,
      each.run_id.slice(0, SHORT) || '–',
      new Date(each.created_at).toLocaleString()
    );
  return [
    {
      name: 'logged',
      label: trans.__('Logged model'),
      kind: 'choice',
      value: logged[0]?.model_id ?? FOLDER,
      choices: [
        ...logged.map(each => ({ value: each.model_id, label: label(each) })),
        {
          value: FOLDER,
          label: trans.__('None of these: a folder on this server')
        }
      ],
      ...(logged.length === 0
        ? {
            hint: trans.__(
              'No model was logged yet. Log one with MLflow, give the folder of a saved one, or register an object from a notebook: %register NAME model'
            )
          }
        : {})
    },
    {
      name: 'path',
      label: trans.__('Folder'),
      kind: 'text',
      when: each => each.logged === FOLDER,
      hint: trans.__(
        'As the file browser shows it: a folder with an MLmodel file, such as models/iris'
      )
    }
  ];
}

function problemOf(tools: ITools, each: Values): string {
  const { trans } = tools.services;
  if (!each.name || (each.logged === FOLDER && !each.path.trim())) {
    return ' ';
  }
  if (!isModelName(each.name)) {
    return trans.__('%1 cannot be the name of a model.', each.name);
  }
  return each.alias && !isAlias(each.alias, each.name)
    ? trans.__('%1 cannot be an alias of this model.', each.alias)
    : '';
}

/** Register a model that was logged in a run, or one from a folder, then show it (REQ-069). */
export async function register(tools: ITools, given: string): Promise<void> {
  const { trans, actions, activity, models, run, status } = tools.services;
  if (status.state.kind === 'stopped') {
    await status.start();
  }
  const logged = await activity.run(trans.__('Look for logged models'), () =>
    actions.loggedModels()
  );
  if (!logged) {
    return;
  }
  const values = await ask(
    {
      title: trans.__('Register model'),
      accept: trans.__('Register'),
      fields: [
        ...sources(tools, logged),
        {
          name: 'name',
          label: trans.__('Register as'),
          kind: 'text',
          value: given || logged[0]?.name || '',
          suggestions: models.list.models.slice(0, 200).map(each => each.name),
          hint: trans.__(
            'A name such as iris, or catalog.schema.iris. A known name gets a new version.'
          )
        },
        {
          name: 'alias',
          label: trans.__('Alias (optional)'),
          kind: 'text',
          suggestions: KNOWN_ALIASES
        },
        {
          name: 'description',
          label: trans.__('Description (optional)'),
          kind: 'text'
        }
      ],
      check: each => problemOf(tools, each),
      magic: each =>
        magics.register(
          each.name,
          each.logged === FOLDER
            ? each.path.trim() || 'FOLDER'
            : `models:/${each.logged}`,
          each.alias,
          each.description
        )
    },
    trans
  );
  if (!values) {
    return;
  }
  const { name, alias, description } = values;
  const chosen = logged.find(each => each.model_id === values.logged);
  const version = await (chosen
    ? actions.register(name, chosen, { alias, description })
    : actions.registerFolder({
        path: values.path.trim(),
        name,
        alias,
        description
      }));
  if (version) {
    await run(CommandIDs.openModel, { model: name, tab: 'serving' });
  }
}
