import { ask } from '../components/dialogs/form';
import * as magics from '../model/magics';
import type { ITools } from './shared';

/** Describe a model or a version, with a proposal to begin with. */
export async function describe(
  tools: ITools,
  model: string,
  version: string,
  present: string
): Promise<void> {
  const { trans, actions, activity, client, models } = tools.services;
  const about = version || models.get(model)?.versions[0] || '';
  const proposal = async (): Promise<string> => {
    const found = await activity.run(trans.__('Propose a description'), () =>
      client.call<{ description: string }>(
        'GET /models/{name}/versions/{version}/proposal',
        { path: { name: model, version: about } }
      )
    );
    return found?.description ?? present;
  };
  const values = await ask(
    {
      title: version
        ? trans.__('Description of %1 version %2', model, version)
        : trans.__('Description of %1', model),
      accept: trans.__('Save'),
      fields: [
        {
          name: 'text',
          label: trans.__('Description'),
          kind: 'area',
          value: present,
          ...(about
            ? { fill: { label: trans.__('Propose'), value: proposal } }
            : {}),
          hint: trans.__(
            'A proposal is written from signature and metrics; change it as you like.'
          )
        }
      ],
      magic: each => magics.describe(model, version, each.text)
    },
    trans
  );
  if (values) {
    await actions.describe(model, version, values.text);
  }
}

/** Set a tag of a model or a version. */
export async function setTag(
  tools: ITools,
  model: string,
  version: string,
  key: string,
  value: string
): Promise<void> {
  const { trans, actions } = tools.services;
  const values = await ask(
    {
      title: version
        ? trans.__('Tag of %1 version %2', model, version)
        : trans.__('Tag of %1', model),
      accept: trans.__('Save'),
      fields: [
        { name: 'key', label: trans.__('Name'), kind: 'text', value: key },
        { name: 'value', label: trans.__('Value'), kind: 'text', value }
      ],
      check: each => (each.key.trim() ? '' : ' '),
      magic: each => magics.setTag(model, version, each.key, each.value)
    },
    trans
  );
  if (values) {
    await actions.setTag(model, version, values.key.trim(), values.value);
  }
}
