import { closeIcon, editIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { type IAnswer, useServices } from '../context';
import { Button, IconButton, Section } from '../controls';

/** The head of a page: what it is about, its state, and what can be done. */
export function PageHead(props: {
  title: string;
  subtitle?: React.ReactNode;
  state?: React.ReactNode;
  children?: React.ReactNode;
}): React.ReactElement {
  return (
    <header className="jp-modelserve-pageHead">
      <div>
        <h2>{props.title}</h2>
        {props.subtitle && (
          <p className="jp-modelserve-hint">{props.subtitle}</p>
        )}
      </div>
      {props.state}
      <div className="jp-modelserve-pageActions">{props.children}</div>
    </header>
  );
}

/** An answer on its way, refused, or here. */
export function Answer<T>(props: {
  answer: IAnswer<T>;
  children: (value: T) => React.ReactNode;
}): React.ReactElement {
  const { trans } = useServices();
  const { value, error, reload } = props.answer;
  return (
    <>
      {error && (
        <div className="jp-modelserve-message" role="alert">
          <p>{error}</p>
          <Button onClick={reload}>{trans.__('Try again')}</Button>
        </div>
      )}
      {value !== null
        ? props.children(value)
        : !error && (
            <p className="jp-modelserve-message">{trans.__('Looking…')}</p>
          )}
    </>
  );
}

/** A description with the pencil that changes it. */
export function Description(props: {
  model: string;
  version?: string;
  text: string;
}): React.ReactElement {
  const { trans, run } = useServices();
  const { model, version = '', text } = props;
  const edit = () => void run(CommandIDs.describe, { model, version, text });
  return (
    <Section
      title={trans.__('Description')}
      action={
        text ? (
          <IconButton
            icon={editIcon}
            label={trans.__('Edit the description')}
            onClick={edit}
          />
        ) : undefined
      }
    >
      {text ? (
        <p className="jp-modelserve-text">{text}</p>
      ) : (
        <Button onClick={edit}>{trans.__('Add a description')}</Button>
      )}
    </Section>
  );
}

/** Tags with their pencils and crosses. */
export function TagList(props: {
  model: string;
  version?: string;
  tags: Record<string, string>;
}): React.ReactElement {
  const { trans, run } = useServices();
  const { model, version = '', tags } = props;
  const shown = Object.entries(tags).filter(
    ([key]) => !key.startsWith('mlflow.')
  );
  return (
    <Section
      title={trans.__('Tags')}
      action={
        <Button onClick={() => void run(CommandIDs.setTag, { model, version })}>
          {trans.__('Add tag')}
        </Button>
      }
    >
      <ul className="jp-modelserve-chips" aria-label={trans.__('Tags')}>
        {shown.map(([key, value]) => (
          <li key={key} className="jp-modelserve-chip">
            <button
              type="button"
              className="jp-modelserve-link"
              title={trans.__('Edit tag %1', key)}
              onClick={() =>
                void run(CommandIDs.setTag, { model, version, key, value })
              }
            >
              {`${key}: ${value}`}
            </button>
            <IconButton
              icon={closeIcon}
              label={trans.__('Remove tag %1', key)}
              onClick={() =>
                void run(CommandIDs.removeTag, { model, version, key })
              }
            />
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Aliases of a version with the crosses that remove them. */
export function Aliases(props: {
  model: string;
  aliases: string[];
}): React.ReactElement {
  const { trans, run } = useServices();
  const { model, aliases } = props;
  return (
    <span className="jp-modelserve-chips">
      {aliases.map(alias => (
        <span key={alias} className="jp-modelserve-chip">
          {alias}
          <IconButton
            icon={closeIcon}
            label={trans.__('Remove alias %1', alias)}
            onClick={() => void run(CommandIDs.removeAlias, { model, alias })}
          />
        </span>
      ))}
    </span>
  );
}
