import { Clipboard, Dialog, showDialog } from '@jupyterlab/apputils';
import * as React from 'react';

import type { ISnippetRequest } from '../../tokens';
import { useServices } from '../context';

type Language = ISnippetRequest['language'];

/** Ready clients in other languages, to copy (REQ-041, REQ-042). */
export function Snippets(props: {
  path: string;
  reference: string;
  body: string;
}): React.ReactElement {
  const { trans, client, activity } = useServices();
  const names: Record<Language, string> = {
    curl: 'curl',
    python: 'Python',
    powerbi: 'Power BI'
  };
  const show = async (language: Language) => {
    const text = await activity.run(trans.__('Make a client'), () =>
      client.snippet({ language, ...props })
    );
    if (text === undefined) {
      return;
    }
    const result = await showDialog({
      title: trans.__('%1 client for %2', names[language], props.reference),
      body: (
        <div className="jp-modelserve-snippet">
          {language === 'powerbi' && (
            <p>{trans.__('The steps are in its first lines.')}</p>
          )}
          <pre className="jp-modelserve-code" tabIndex={0}>
            {text}
          </pre>
          <p className="jp-modelserve-hint">
            {trans.__('The token is named, never shown.')}
          </p>
        </div>
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Close') }),
        Dialog.okButton({ label: trans.__('Copy') })
      ]
    });
    if (result.button.accept) {
      Clipboard.copyToSystem(text);
    }
  };
  return (
    <label className="jp-modelserve-inline">
      {trans.__('Copy as:')}
      <select
        className="jp-modelserve-input"
        value=""
        onChange={event => void show(event.target.value as Language)}
      >
        <option value="" disabled>
          {trans.__('choose')}
        </option>
        {(Object.keys(names) as Language[]).map(each => (
          <option key={each} value={each}>
            {names[each]}
          </option>
        ))}
      </select>
    </label>
  );
}
