import type { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

/** A button with an icon alone; its label is read out and shown while the pointer rests on it. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  onClick: (event: React.MouseEvent) => void;
  tabIndex?: number;
}): React.ReactElement {
  const Icon = props.icon;
  return (
    <button
      type="button"
      className="jp-modelserve-iconButton"
      aria-label={props.label}
      title={props.label}
      tabIndex={props.tabIndex}
      onClick={props.onClick}
    >
      <Icon.react tag="span" width="16px" height="16px" />
    </button>
  );
}

/** A button with a word. */
export function Button(props: {
  children: React.ReactNode;
  onClick: () => void;
  accept?: boolean;
  warn?: boolean;
  disabled?: boolean;
  label?: string;
}): React.ReactElement {
  const kind = props.accept ? 'jp-mod-accept' : props.warn ? 'jp-mod-warn' : '';
  return (
    <button
      type="button"
      className={`jp-modelserve-button ${kind}`.trim()}
      aria-label={props.label}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

/** Names and values in two columns. */
export function Facts(props: {
  facts: [string, React.ReactNode][];
}): React.ReactElement {
  return (
    <dl className="jp-modelserve-facts">
      {props.facts.map(([name, value]) => (
        <React.Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

/** A table with a head. Nothing is drawn where there is no row, but the words for that. */
export function Table(props: {
  label: string;
  head: string[];
  rows: React.ReactNode[][];
  none: string;
}): React.ReactElement {
  if (props.rows.length === 0) {
    return <p className="jp-modelserve-hint">{props.none}</p>;
  }
  return (
    <table className="jp-modelserve-table" aria-label={props.label}>
      <thead>
        <tr>
          {props.head.map(each => (
            <th key={each} scope="col">
              {each}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map((row, index) => (
          <tr key={index}>
            {row.map((cell, column) => (
              <td key={column}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A part of a page with its heading. */
export function Section(props: {
  title: string;
  action?: React.ReactNode;
  children: React.ReactNode;
}): React.ReactElement {
  const id = React.useId();
  return (
    <section className="jp-modelserve-section" aria-labelledby={id}>
      <div className="jp-modelserve-row">
        <h3 id={id} className="jp-modelserve-heading">
          {props.title}
        </h3>
        {props.action}
      </div>
      {props.children}
    </section>
  );
}

/** Local time of milliseconds since 1970. */
export function when(milliseconds: number): string {
  return milliseconds ? new Date(milliseconds).toLocaleString() : '';
}
