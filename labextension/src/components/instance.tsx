import * as React from 'react';

import { instanceBadge } from '../model/states';
import type { IInstance } from '../tokens';
import { Copyable } from './address';
import { Badge } from './badge';
import { useTranslation } from './context';

/** The instance as one thing, with the address that everything uses. */
export function InstanceCard(props: {
  instance: IInstance;
}): React.ReactElement {
  const trans = useTranslation();
  const { instance } = props;
  return (
    <section
      className="jp-modelserve-instance"
      aria-label={trans.__('Instance')}
    >
      <div className="jp-modelserve-row">
        <span className="jp-modelserve-title">{trans.__('Instance')}</span>
        <Badge badge={instanceBadge(instance, trans)} />
      </div>
      <Copyable text={instance.url} label={trans.__('Copy the address')} />
    </section>
  );
}
