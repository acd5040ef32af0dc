import * as React from 'react';

import type { IAuditRecord, IEffectivePrivilege } from '../../api';
import { CommandIDs } from '../../commands/ids';
import { useAnswer, useServices, useSignal } from '../context';
import { Button, Section, Table, when } from '../controls';
import { Answer } from './shared';

const KIND = 'FUNCTION';

/** Who may do what with a model, inherited rights included; grant and revoke. */
export function Permissions(props: { model: string }): React.ReactElement {
  const { trans, client, activity, run } = useServices();
  const changed = useSignal(activity.changed);
  const { model } = props;
  const answer = useAnswer(
    () =>
      client.call<{ privileges: IEffectivePrivilege[] }>(
        'GET /effective/{kind}/{name}',
        { path: { kind: KIND, name: model } }
      ),
    [client, model, changed]
  );
  const origin = (each: IEffectivePrivilege) =>
    [
      `${each.inherited_from_type} ${each.inherited_from_name}`,
      each.through && trans.__('through %1', each.through)
    ]
      .filter(Boolean)
      .join(', ');
  return (
    <Section
      title={trans.__('Effective rights')}
      action={
        <Button accept onClick={() => void run(CommandIDs.grant, { model })}>
          {trans.__('Grant…')}
        </Button>
      }
    >
      <Answer answer={answer}>
        {({ privileges }) => (
          <Table
            label={trans.__('Effective rights')}
            head={[
              trans.__('Principal'),
              trans.__('Right'),
              trans.__('From'),
              trans.__('Actions')
            ]}
            rows={privileges.map(each => [
              each.principal,
              each.privilege,
              origin(each),
              each.through ? (
                ''
              ) : (
                <Button
                  key="revoke"
                  label={trans.__(
                    'Revoke %1 from %2',
                    each.privilege,
                    each.principal
                  )}
                  onClick={() =>
                    void run(CommandIDs.revoke, {
                      kind: each.inherited_from_type,
                      name: each.inherited_from_name,
                      principal: each.principal,
                      privilege: each.privilege
                    })
                  }
                >
                  {trans.__('Revoke')}
                </Button>
              )
            ])}
            none={trans.__('Nobody but the owner has a right on it.')}
          />
        )}
      </Answer>
    </Section>
  );
}

/** Who changed what, when and with which client. */
export function Audit(props: { model: string }): React.ReactElement {
  const { trans, client, activity, models } = useServices();
  const changed = useSignal(activity.changed);
  const { model } = props;
  const answer = useAnswer(
    () =>
      client.call<{ records: IAuditRecord[] }>('GET /audit', {
        query: { kind: KIND, name: model, limit: 1000 }
      }),
    [client, model, changed, models.revision]
  );
  return (
    <Answer answer={answer}>
      {({ records }) => (
        <Table
          label={trans.__('Audit log')}
          head={[
            trans.__('Time'),
            trans.__('Who'),
            trans.__('What'),
            trans.__('Version'),
            trans.__('Before'),
            trans.__('After'),
            trans.__('Client')
          ]}
          rows={[...records]
            .reverse()
            .map(each => [
              when(each.at),
              each.principal || trans.__('the database itself'),
              each.action,
              each.version,
              each.before,
              each.after,
              each.client
            ])}
          none={trans.__('Nothing has been changed yet.')}
        />
      )}
    </Answer>
  );
}
