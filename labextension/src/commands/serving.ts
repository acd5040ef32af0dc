import { runIcon, stopIcon } from '@jupyterlab/ui-components';

import type { ISelector, SelectorKind } from '../api';
import { ask, type IField } from '../components/dialogs/form';
import * as magics from '../model/magics';
import { endpointFor, isThreeLevel, STAGES } from '../model/names';
import { CommandIDs } from './ids';
import {
  chooseEndpoint,
  chooseModel,
  type ITools,
  schema,
  text,
  under
} from './shared';

const ENDPOINT = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** A selector as one text and back, for a drop-down. */
export function selectorOf(written: string): ISelector {
  const [kind, ...rest] = written.split('=');
  const value = rest.join('=');
  return { kind: (kind || 'active') as SelectorKind, value: value || null };
}

function choices(
  tools: ITools,
  name: string
): { value: string; label: string }[] {
  const { trans, models } = tools.services;
  const model = models.get(name);
  const aliases = Object.keys(model?.aliases ?? {});
  const stages = isThreeLevel(name)
    ? []
    : STAGES.filter(each => Object.values(model?.stages ?? {}).includes(each));
  return [
    {
      value: 'active',
      label: trans.__('Every version that is not archived, as they come')
    },
    ...aliases.map(each => ({
      value: `alias=${each}`,
      label: trans.__('Alias %1, wherever it moves', each)
    })),
    ...stages
      .filter(each => each !== 'Archived')
      .map(each => ({
        value: `stage=${each}`,
        label: trans.__('Stage %1, whatever moves there', each)
      })),
    ...(model?.versions ?? []).map(each => ({
      value: `version=${each}`,
      label: trans.__('Version %1 only', each)
    }))
  ];
}

function sizes(tools: ITools): IField {
  const { trans } = tools.services;
  return {
    name: 'size',
    label: trans.__('Compute size of a replica'),
    kind: 'choice',
    value: 'Small',
    choices: [
      { value: 'Small', label: trans.__('Small: 4 requests at a time') },
      { value: 'Medium', label: trans.__('Medium: 16 requests at a time') },
      { value: 'Large', label: trans.__('Large: 64 requests at a time') }
    ]
  };
}

async function serve(
  tools: ITools,
  model: string,
  selected: string
): Promise<void> {
  const { trans, actions, status, run, models } = tools.services;
  if (!models.get(model)) {
    await models.refresh();
  }
  const wanted = (selector: ISelector) => magics.reference(model, selector);
  const values = await ask(
    {
      title: trans.__('Serve %1', model),
      accept: trans.__('Enable serving'),
      fields: [
        {
          name: 'selector',
          label: trans.__('What to serve'),
          kind: 'choice',
          value: selected || 'active',
          choices: choices(tools, model)
        },
        {
          name: 'name',
          label: trans.__('Name of the endpoint'),
          kind: 'text',
          value: endpointFor(model),
          hint: trans.__(
            'Serving under a name that exists changes that endpoint without a gap.'
          )
        },
        sizes(tools),
        {
          name: 'replicas',
          label: trans.__('Replicas'),
          kind: 'number',
          value: '1',
          hint: trans.__('With two or more, a crash costs no request.')
        }
      ],
      check: each =>
        !ENDPOINT.test(each.name)
          ? trans.__(
              'A name has 1 to 63 letters, digits, - or _ and begins with a letter or digit.'
            )
          : Number(each.replicas) >= 1
            ? ''
            : trans.__('At least one replica is needed.'),
      magic: each =>
        magics.serve(wanted(selectorOf(each.selector)), {
          name: each.name === endpointFor(model) ? '' : each.name,
          size: each.size,
          replicas: Number(each.replicas)
        })
    },
    trans
  );
  if (!values) {
    return;
  }
  if (status.state.kind === 'stopped') {
    await status.start();
  }
  const started = await actions.serve(model, selectorOf(values.selector), {
    name: values.name,
    size: values.size,
    replicas: Number(values.replicas)
  });
  if (started) {
    await run(CommandIDs.openModel, { model, tab: 'serving' });
  }
}

/** Commands that begin and end serving. */
export function addServingCommands(tools: ITools): void {
  const { app, services } = tools;
  const { trans, actions } = services;
  app.commands.addCommand(CommandIDs.serve, {
    label: trans.__('Serve…'),
    caption: trans.__('Serve a model, an alias, a stage or a version'),
    icon: runIcon,
    describedBy: {
      args: schema({
        model: trans.__('Name of the model'),
        selector: trans.__(
          'active, alias=NAME, stage=NAME or version=NUMBER, chosen at first'
        )
      })
    },
    execute: async args => {
      const model = await chooseModel(tools, args);
      if (model) {
        const version = under(tools, args).modelserveVersion;
        const selected = version ? `version=${version}` : '';
        await serve(tools, model, text(args, 'selector') || selected);
      }
    }
  });
  app.commands.addCommand(CommandIDs.stop, {
    label: trans.__('Stop Serving…'),
    caption: trans.__('Stop an endpoint; its models stay registered'),
    icon: stopIcon,
    describedBy: {
      args: schema({ endpoint: trans.__('Name of the endpoint') })
    },
    execute: async args => {
      const endpoint = await chooseEndpoint(tools, args);
      if (!endpoint) {
        return;
      }
      const values = await ask(
        {
          title: trans.__('Stop %1?', endpoint),
          accept: trans.__('Stop'),
          warn: true,
          fields: [
            {
              name: 'note',
              kind: 'note',
              label: trans.__(
                'Its addresses answer no longer. Requests that run are finished first; the models stay registered.'
              )
            }
          ],
          magic: () => magics.stop(endpoint)
        },
        trans
      );
      if (values) {
        await actions.stop(endpoint);
      }
    }
  });
}
