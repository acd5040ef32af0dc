import { Clipboard } from '@jupyterlab/apputils';
import { checkIcon, copyIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useTranslation } from './context';

const CONFIRMATION_MS = 1500;

/**
 * Text in a code line with a button that copies it. `shown` stands for the text where that is too long to read.
 */
export function Copyable(props: {
  text: string;
  label: string;
  shown?: string;
  /** Several lines, all of them shown. */
  block?: boolean;
}): React.ReactElement {
  const trans = useTranslation();
  const [copied, setCopied] = React.useState(false);
  React.useEffect(() => {
    if (!copied) {
      return;
    }
    const timer = window.setTimeout(() => setCopied(false), CONFIRMATION_MS);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? checkIcon : copyIcon;
  return (
    <div className="jp-modelserve-copyable">
      {props.block ? (
        <pre tabIndex={0}>{props.text}</pre>
      ) : (
        <code title={props.text}>{props.shown ?? props.text}</code>
      )}
      <button
        className="jp-modelserve-iconButton"
        aria-label={props.label}
        title={props.label}
        onClick={() => {
          Clipboard.copyToSystem(props.text);
          setCopied(true);
        }}
      >
        <Icon.react tag="span" width="14px" height="14px" />
      </button>
      <span className="jp-modelserve-announce" role="status">
        {copied ? trans.__('Copied') : ''}
      </span>
    </div>
  );
}
