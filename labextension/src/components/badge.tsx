import * as React from 'react';

import type { IBadge } from '../model/states';

/** A state as a word with a coloured dot; the dot is decoration only. */
export function Badge(props: { badge: IBadge }): React.ReactElement {
  const { text, level } = props.badge;
  return (
    <span className="jp-modelserve-badge" data-level={level}>
      <span className="jp-modelserve-dot" aria-hidden="true" />
      {text}
    </span>
  );
}
