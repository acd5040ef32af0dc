import { ask } from '../components/dialogs/form';
import * as magics from '../model/magics';
import { isAlias, isModelName } from '../model/names';
import { CommandIDs } from './ids';
import { KNOWN_ALIASES } from './labels';
import type { ITools } from './shared';

const SHORT = 8;

/** Register a model that was logged in a run, then show the new version (REQ-069). */
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
  const label = (each: (typeof logged)[number]) =>
    trans.__(
      '%1, run %2, %3',
      each.name || each.model_id,
      each.run_id.slice(0, SHORT) || '–',
      new Date(each.created_at).toLocaleString()
    );
  const values = await ask(
    {
      title: trans.__('Register model'),
      accept: trans.__('Register'),
      fields: [
        logged.length > 0
          ? {
              name: 'logged',
              label: trans.__('Logged model'),
              kind: 'choice',
              value: logged[0].model_id,
              choices: logged.map(each => ({
                value: each.model_id,
                label: label(each)
              }))
            }
          : {
              name: 'none',
              kind: 'note',
              label: trans.__(
                'No model was logged yet. Log one with MLflow, or register an object or a folder from a notebook with the line below.'
              )
            },
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
      check: each =>
        logged.length === 0 || !each.name
          ? ' '
          : !isModelName(each.name)
            ? trans.__('%1 cannot be the name of a model.', each.name)
            : each.alias && !isAlias(each.alias, each.name)
              ? trans.__('%1 cannot be an alias of this model.', each.alias)
              : '',
      magic: each =>
        logged.length === 0
          ? magics.register(each.name, 'model', each.alias)
          : magics.register(
              each.name,
              `models:/${each.logged}`,
              each.alias,
              each.description
            )
    },
    trans
  );
  const chosen = logged.find(each => each.model_id === values?.logged);
  if (!values || !chosen) {
    return;
  }
  const version = await actions.register(values.name, chosen, {
    alias: values.alias,
    description: values.description
  });
  if (version) {
    await run(CommandIDs.openModel, { model: values.name, tab: 'serving' });
  }
}
