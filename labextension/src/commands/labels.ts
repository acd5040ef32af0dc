import { ask } from '../components/dialogs/form';
import * as magics from '../model/magics';
import { isAlias, STAGES } from '../model/names';
import type { ITools } from './shared';

/** Aliases that are offered before there are any. */
export const KNOWN_ALIASES = ['Champion', 'Challenger'];

/** Let an alias point at a version. */
export async function setAlias(
  tools: ITools,
  model: string,
  version: string,
  given: string
): Promise<void> {
  const { trans, actions, models } = tools.services;
  const aliases = models.get(model)?.aliases ?? {};
  const values = await ask(
    {
      title: trans.__('Alias of %1 version %2', model, version),
      accept: trans.__('Set alias'),
      fields: [
        {
          name: 'alias',
          label: trans.__('Alias'),
          kind: 'text',
          value: given,
          suggestions: [
            ...new Set([...Object.keys(aliases), ...KNOWN_ALIASES])
          ],
          hint: trans.__(
            'An alias points at one version; what is served under it follows at once.'
          )
        }
      ],
      check: each =>
        each.alias && !isAlias(each.alias, model)
          ? trans.__('%1 cannot be an alias of this model.', each.alias)
          : each.alias
            ? ''
            : ' ',
      magic: each => magics.setAlias(model, each.alias || 'Champion', version)
    },
    trans
  );
  if (values) {
    await actions.setAlias(model, values.alias, version);
  }
}

/** Take an alias away. */
export async function removeAlias(
  tools: ITools,
  model: string,
  given: string
): Promise<void> {
  const { trans, actions, models } = tools.services;
  const aliases = Object.entries(models.get(model)?.aliases ?? {});
  const values = await ask(
    {
      title: trans.__('Remove an alias of %1', model),
      accept: trans.__('Remove'),
      warn: true,
      fields: [
        {
          name: 'alias',
          label: trans.__('Alias'),
          kind: 'choice',
          value: given || aliases[0]?.[0] || '',
          choices: aliases.map(([alias, version]) => ({
            value: alias,
            label: trans.__('%1 (version %2)', alias, version)
          }))
        }
      ],
      check: each => (each.alias ? '' : trans.__('%1 has no alias.', model)),
      magic: each => magics.deleteAlias(model, each.alias)
    },
    trans
  );
  if (values) {
    await actions.deleteAlias(model, values.alias);
  }
}

/** Move a version to a stage. */
export async function setStage(
  tools: ITools,
  model: string,
  version: string,
  given: string
): Promise<void> {
  const { trans, actions, models } = tools.services;
  const stages = models.get(model)?.stages ?? {};
  const values = await ask(
    {
      title: trans.__('Stage of %1 version %2', model, version),
      accept: trans.__('Transition'),
      fields: [
        {
          name: 'stage',
          label: trans.__('Stage'),
          kind: 'choice',
          value: given || (stages[version] ?? 'None'),
          choices: STAGES.map(each => ({ value: each, label: each }))
        },
        {
          name: 'archive',
          label: trans.__('Archive other versions of that stage'),
          kind: 'check',
          value: 'false',
          hint: trans.__('An archived version is not served as active.')
        }
      ],
      magic: each =>
        magics.setStage(model, version, each.stage, each.archive === 'true')
    },
    trans
  );
  if (values) {
    const archive = values.archive === 'true';
    await actions.setStage(model, version, values.stage, archive);
  }
}
