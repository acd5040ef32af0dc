import { ask } from '../components/dialogs/form';
import * as magics from '../model/magics';
import { isGroupName } from '../model/names';
import type { ITools } from './shared';

/** Make a catalog or a schema: the places of models with names of three parts. */
export async function createGroup(tools: ITools, given: string): Promise<void> {
  const { trans, actions, models } = tools.services;
  const known = (name: string) => models.list.groups.includes(name);
  const values = await ask(
    {
      title: trans.__('New catalog or schema'),
      accept: trans.__('Create'),
      fields: [
        {
          name: 'name',
          label: trans.__('Name'),
          kind: 'text',
          value: given,
          suggestions: models.list.groups
            .filter(each => !each.includes('.'))
            .map(each => `${each}.`),
          hint: trans.__(
            'prod makes a catalog, with a schema called default; prod.sales makes a schema in the catalog prod.'
          )
        },
        {
          name: 'comment',
          label: trans.__('Comment (optional)'),
          kind: 'text'
        }
      ],
      check: each =>
        !each.name || each.name.endsWith('.')
          ? ' '
          : !isGroupName(each.name)
            ? trans.__('%1 can be neither a catalog nor a schema.', each.name)
            : known(each.name)
              ? trans.__('%1 exists already.', each.name)
              : each.name.includes('.') && !known(each.name.split('.')[0])
                ? trans.__(
                    'Create the catalog %1 first.',
                    each.name.split('.')[0]
                  )
                : '',
      magic: each => magics.createGroup(each.name || 'prod', each.comment)
    },
    trans
  );
  if (values) {
    await actions.createGroup(values.name, values.comment);
  }
}
