import { ask } from '../components/dialogs/form';
import { isThreeLevel } from '../model/names';
import { CommandIDs } from './ids';
import { chooseModel, type ITools, schema, text } from './shared';

interface IObject {
  kind: string;
  name: string;
}

/** The objects from which a model has its rights: itself and what it lies in. */
function objects(model: string): IObject[] {
  if (!isThreeLevel(model)) {
    return [
      { kind: 'FUNCTION', name: model },
      { kind: 'WORKSPACE', name: 'workspace' }
    ];
  }
  const [catalog, below] = model.split('.');
  return [
    { kind: 'FUNCTION', name: model },
    { kind: 'SCHEMA', name: `${catalog}.${below}` },
    { kind: 'CATALOG', name: catalog }
  ];
}

const RIGHTS: Record<string, string[]> = {
  FUNCTION: [
    'EXECUTE',
    'APPLY_TAG',
    'CREATE_MODEL_VERSION',
    'SET_ALIAS',
    'SET_STAGE',
    'MANAGE',
    'ALL_PRIVILEGES'
  ],
  WORKSPACE: [
    'EXECUTE',
    'CREATE_MODEL',
    'CREATE_MODEL_VERSION',
    'APPLY_TAG',
    'MANAGE',
    'ALL_PRIVILEGES'
  ],
  SCHEMA: [
    'USE_SCHEMA',
    'EXECUTE',
    'CREATE_MODEL',
    'CREATE_MODEL_VERSION',
    'APPLY_TAG',
    'MANAGE',
    'ALL_PRIVILEGES'
  ],
  CATALOG: [
    'USE_CATALOG',
    'USE_SCHEMA',
    'EXECUTE',
    'CREATE_SCHEMA',
    'CREATE_MODEL',
    'MANAGE',
    'ALL_PRIVILEGES'
  ]
};
const QUALIFIED = new Set(['SET_ALIAS', 'SET_STAGE']);

function right(privilege: string, detail: string): string {
  return QUALIFIED.has(privilege) ? `${privilege}(${detail})` : privilege;
}

/** The statement of the grant language. */
export function statement(
  verb: 'GRANT' | 'REVOKE',
  privilege: string,
  on: IObject,
  principal: string
): string {
  const object =
    on.kind === 'WORKSPACE' ? 'WORKSPACE' : `${on.kind} ${on.name}`;
  const to = verb === 'GRANT' ? 'TO' : 'FROM';
  return `${verb} ${privilege} ON ${object} ${to} \`${principal}\``;
}

async function grant(tools: ITools, model: string): Promise<void> {
  const { trans, actions, client, activity } = tools.services;
  const known = await activity.run(trans.__('Look for principals'), () =>
    client.call<{ principals: { name: string }[] }>('GET /principals')
  );
  const choices = objects(model);
  const onOf = (written: string): IObject =>
    choices.find(each => each.kind === written) ?? choices[0];
  const values = await ask(
    {
      title: trans.__('Grant a right on %1', model),
      accept: trans.__('Grant'),
      fields: [
        {
          name: 'principal',
          label: trans.__('To whom'),
          kind: 'text',
          suggestions: (known?.principals ?? []).map(each => each.name),
          hint: trans.__('A user, a group or a service principal')
        },
        {
          name: 'kind',
          label: trans.__('On what'),
          kind: 'choice',
          value: 'FUNCTION',
          choices: choices.map(each => ({
            value: each.kind,
            label: `${each.kind} ${each.name}`
          }))
        },
        {
          name: 'privilege',
          label: trans.__('Right'),
          kind: 'choice',
          value: 'EXECUTE',
          choices: [...new Set(choices.flatMap(each => RIGHTS[each.kind]))].map(
            each => ({ value: each, label: each })
          ),
          hint: trans.__(
            'EXECUTE lets read and score; MANAGE lets change and grant.'
          )
        },
        {
          name: 'detail',
          label: trans.__('Alias or stage, for SET_ALIAS and SET_STAGE'),
          kind: 'text'
        }
      ],
      check: each => {
        if (!each.principal) {
          return ' ';
        }
        if (!RIGHTS[each.kind].includes(each.privilege)) {
          return trans.__(
            '%1 cannot be granted on a %2.',
            each.privilege,
            each.kind
          );
        }
        return QUALIFIED.has(each.privilege) && !each.detail
          ? trans.__('Which alias or stage?')
          : '';
      },
      magic: each =>
        statement(
          'GRANT',
          right(each.privilege, each.detail),
          onOf(each.kind),
          each.principal || '…'
        )
    },
    trans
  );
  if (values) {
    const on = onOf(values.kind);
    await actions.changeGrants(on.kind, on.name, values.principal, {
      add: [right(values.privilege, values.detail)]
    });
  }
}

/** Commands on rights. */
export function addGrantCommands(tools: ITools): void {
  const { app, services } = tools;
  const { trans, actions } = services;
  app.commands.addCommand(CommandIDs.grant, {
    label: trans.__('Grant a Right…'),
    caption: trans.__('Let somebody use or change a model'),
    describedBy: { args: schema({ model: trans.__('Name of the model') }) },
    execute: async args => {
      const model = await chooseModel(tools, args);
      if (model) {
        await grant(tools, model);
      }
    }
  });
  app.commands.addCommand(CommandIDs.revoke, {
    label: trans.__('Revoke a Right…'),
    caption: trans.__('Take back what was granted'),
    describedBy: {
      args: schema(
        {
          kind: trans.__('FUNCTION, SCHEMA, CATALOG or WORKSPACE'),
          name: trans.__('Name of the object'),
          principal: trans.__('From whom'),
          privilege: trans.__('The right')
        },
        ['kind', 'name', 'principal', 'privilege']
      )
    },
    isVisible: () => false,
    execute: async args => {
      const [kind, name] = [text(args, 'kind'), text(args, 'name')];
      const principal = text(args, 'principal');
      const privilege = text(args, 'privilege');
      const values = await ask(
        {
          title: trans.__('Revoke %1 from %2?', privilege, principal),
          accept: trans.__('Revoke'),
          warn: true,
          fields: [
            {
              name: 'note',
              kind: 'note',
              label: trans.__('It ends at once, also for requests.')
            }
          ],
          magic: () => statement('REVOKE', privilege, { kind, name }, principal)
        },
        trans
      );
      if (values) {
        await actions.changeGrants(kind, name, principal, {
          remove: [privilege]
        });
      }
    }
  });
}
