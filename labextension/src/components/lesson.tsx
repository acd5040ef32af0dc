import * as React from 'react';

import { Copyable } from './address';
import { useTranslation } from './context';

/** How to serve a first model: shown where there is nothing else to show. */
export function Lesson(): React.ReactElement {
  const trans = useTranslation();
  const steps = [
    {
      text: trans.__('Load the magics in a notebook'),
      code: '%load_ext jupyter_modelserve'
    },
    {
      text: trans.__('Register a fitted model'),
      code: '%register iris model'
    },
    { text: trans.__('Serve it'), code: '%serve iris' }
  ];
  return (
    <ol className="jp-modelserve-lesson">
      {steps.map(step => (
        <li key={step.code}>
          {step.text}
          <Copyable text={step.code} label={trans.__('Copy “%1”', step.code)} />
        </li>
      ))}
    </ol>
  );
}
