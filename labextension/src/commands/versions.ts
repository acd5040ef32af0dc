import { ask } from '../components/dialogs/form';
import * as magics from '../model/magics';
import { isAlias, isModelName } from '../model/names';
import { CommandIDs } from './ids';
import { KNOWN_ALIASES } from './labels';
import type { ITools } from './shared';

/** Copy a version into another model, then show the copy. */
export async function copyVersion(
  tools: ITools,
  model: string,
  version: string
): Promise<void> {
  const { trans, actions, models, run } = tools.services;
  const values = await ask(
    {
      title: trans.__('Copy %1 version %2', model, version),
      accept: trans.__('Copy'),
      fields: [
        {
          name: 'target',
          label: trans.__('Destination model'),
          kind: 'text',
          suggestions: models.list.models
            .map(each => each.name)
            .filter(name => name !== model)
            .slice(0, 200),
          hint: trans.__(
            'It is made when it does not exist, for example prod.sales.churn.'
          )
        },
        {
          name: 'alias',
          label: trans.__('Alias of the copy (optional)'),
          kind: 'text',
          suggestions: KNOWN_ALIASES
        }
      ],
      check: each =>
        !each.target
          ? ' '
          : !isModelName(each.target) || each.target === model
            ? trans.__('%1 cannot be the destination.', each.target)
            : each.alias && !isAlias(each.alias, each.target)
              ? trans.__('%1 cannot be an alias of this model.', each.alias)
              : '',
      magic: each => magics.copy(model, version, each.target || 'NAME')
    },
    trans
  );
  if (values) {
    const made = await actions.copy(
      model,
      version,
      values.target,
      values.alias
    );
    if (made) {
      await run(CommandIDs.openVersion, {
        model: values.target,
        version: made
      });
    }
  }
}

/** Why something may not be deleted now, in words; empty when it may. */
function obstacle(tools: ITools, model: string, version: string): string {
  const { trans, endpoints, models } = tools.services;
  const known = models.get(model);
  const versions = version ? [version] : (known?.versions ?? []);
  for (const each of versions) {
    const served = endpoints.ofVersion(model, each)[0];
    if (served?.version.serving) {
      const name = served.endpoint.spec.name;
      return trans.__(
        'Version %1 is served by %2. Stop that first, or let it serve another version.',
        each,
        name
      );
    }
    const stage = known?.stages[each] ?? 'None';
    if (stage === 'Production' || stage === 'Staging') {
      return trans.__('Version %1 is in %2. Archive it first.', each, stage);
    }
  }
  return '';
}

/** Delete a version, or a model with its versions, after the name was typed. */
export async function remove(
  tools: ITools,
  model: string,
  version: string
): Promise<void> {
  const { trans, actions, models, status } = tools.services;
  // What it says about aliases and endpoints must be true now.
  await Promise.all([status.refresh(), models.refresh()]);
  const blocked = obstacle(tools, model, version);
  const aliases = Object.entries(models.get(model)?.aliases ?? {})
    .filter(([, each]) => !version || each === version)
    .map(([alias]) => alias);
  const typed = version ? `${model}/${version}` : model;
  const values = await ask(
    {
      title: version
        ? trans.__('Delete %1 version %2?', model, version)
        : trans.__('Delete %1 with all of its versions?', model),
      accept: trans.__('Delete'),
      warn: true,
      fields: [
        {
          name: 'note',
          kind: 'note',
          label: trans.__(
            'This cannot be undone: metadata, tags and aliases are deleted, and nothing can serve it any more.'
          )
        },
        ...(aliases.length
          ? [
              {
                name: 'aliases',
                kind: 'note' as const,
                label: trans.__(
                  'These aliases end with it: %1',
                  aliases.join(', ')
                )
              }
            ]
          : []),
        {
          name: 'typed',
          kind: 'text',
          label: trans.__('Type “%1” to confirm', typed)
        }
      ],
      check: each => blocked || (each.typed === typed ? '' : ' '),
      magic: () => magics.remove(model, version)
    },
    trans
  );
  if (values) {
    await (version
      ? actions.deleteVersion(model, version)
      : actions.deleteModel(model));
  }
}
