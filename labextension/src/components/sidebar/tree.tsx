import {
  caretDownIcon,
  caretRightIcon,
  ellipsesIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { versionBadge } from '../../model/states';
import { type IRow, move, typeahead } from '../../model/tree';
import { Badge } from '../badge';
import { type IServices, useServices } from '../context';
import { useWindow } from './window';

/** Pixels; the style sheet says the same. */
export const ROW_HEIGHT = 26;

const TYPING_MS = 800;

function nameOf(row: IRow, services: IServices): string {
  const { trans } = services;
  switch (row.kind) {
    case 'workspace':
      return trans.__('Workspace');
    case 'version':
      return trans.__('Version %1', row.label);
    default:
      return row.label;
  }
}

/** What a drag of the row puts into a notebook. */
function cellOf(row: IRow): { model: string; version: string } | null {
  return row.model ? { model: row.model, version: row.version } : null;
}

function Row(props: {
  row: IRow;
  id: string;
  active: boolean;
  top: number;
  onToggle: () => void;
  onChoose: () => void;
  onMenu: (event: React.MouseEvent) => void;
}): React.ReactElement {
  const services = useServices();
  const { trans, endpoints } = services;
  const { row, active } = props;
  const served = row.version
    ? endpoints.ofVersion(row.model, row.version)[0]
    : undefined;
  const Caret = row.expanded ? caretDownIcon : caretRightIcon;
  const drag = cellOf(row);
  return (
    <div
      id={props.id}
      className={`jp-modelserve-treeRow ${active ? 'jp-mod-active' : ''}`.trim()}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-selected={active}
      aria-expanded={row.expanded ?? undefined}
      data-modelserve-kind={row.kind}
      data-modelserve-model={row.model || undefined}
      data-modelserve-group={row.kind === 'catalog' ? row.label : undefined}
      data-modelserve-version={row.version || undefined}
      draggable={drag !== null}
      style={{ top: props.top, paddingLeft: 4 + (row.level - 1) * 14 }}
      title={row.model || row.label}
      onClick={props.onChoose}
      onDragStart={event => {
        if (drag) {
          services.drag(
            `%serve ${drag.version ? `${drag.model}/${drag.version}` : drag.model}`,
            event
          );
        }
      }}
    >
      <span
        className="jp-modelserve-caret"
        onClick={event => {
          if (row.expanded !== null) {
            event.stopPropagation();
            props.onToggle();
          }
        }}
      >
        {row.expanded !== null && (
          <Caret.react tag="span" width="16px" height="16px" />
        )}
      </span>
      <span className="jp-modelserve-treeName">{nameOf(row, services)}</span>
      {row.kind !== 'version' && (
        <span
          className="jp-modelserve-count"
          title={
            row.kind === 'model'
              ? trans._n('%1 version', '%1 versions', row.count)
              : trans._n('%1 model', '%1 models', row.count)
          }
        >
          {row.count}
        </span>
      )}
      {row.aliases.map(each => (
        <span key={each} className="jp-modelserve-label">
          {each}
        </span>
      ))}
      {row.stage && (
        <span className="jp-modelserve-label jp-mod-stage">{row.stage}</span>
      )}
      <span className="jp-modelserve-treeEnd">
        {served && <Badge badge={versionBadge(served.version.state, trans)} />}
        {(row.model || row.kind === 'catalog') && (
          <button
            type="button"
            className="jp-modelserve-iconButton jp-modelserve-more"
            tabIndex={-1}
            aria-label={trans.__('Actions for %1', nameOf(row, services))}
            title={trans.__('Actions')}
            onClick={props.onMenu}
          >
            <ellipsesIcon.react tag="span" width="16px" height="16px" />
          </button>
        )}
      </span>
    </div>
  );
}

/** Open JupyterLab's context menu at *node*, as the other mouse button does. */
function openMenu(node: Element, x: number, y: number): void {
  node.dispatchEvent(
    new MouseEvent('contextmenu', {
      bubbles: true,
      cancelable: true,
      clientX: x,
      clientY: y,
      button: 2
    })
  );
}

/** The registry as a tree. Only the rows in sight are drawn. */
export function ModelTree(props: { rows: IRow[] }): React.ReactElement {
  const services = useServices();
  const { trans, view, run } = services;
  const { rows } = props;
  const node = React.useRef<HTMLDivElement>(null);
  const [active, setActive] = React.useState('');
  const typed = React.useRef({ text: '', at: 0 });
  const unique = React.useId();
  const { first, last, onScroll } = useWindow(node, rows.length, ROW_HEIGHT);
  const current = rows.some(each => each.id === active)
    ? active
    : (rows[0]?.id ?? '');
  const idOf = (id: string) => unique + id;

  const activate = (id: string) => {
    setActive(id);
    const element = node.current;
    const top = rows.findIndex(each => each.id === id) * ROW_HEIGHT;
    if (element && top < element.scrollTop) {
      element.scrollTop = top;
    } else if (
      element &&
      top + ROW_HEIGHT > element.scrollTop + element.clientHeight
    ) {
      element.scrollTop = top + ROW_HEIGHT - element.clientHeight;
    }
  };
  const choose = (row: IRow) => {
    setActive(row.id);
    if (row.kind === 'version') {
      const args = { model: row.model, version: row.version };
      void run(CommandIDs.openVersion, args);
    } else if (row.kind === 'model') {
      void run(CommandIDs.openModel, { model: row.model });
    } else {
      view.toggle(row.id);
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const row = rows.find(each => each.id === current);
    const moved = move(rows, current, event.key);
    if (moved) {
      event.preventDefault();
      if (moved.toggle) {
        view.toggle(moved.toggle);
      }
      activate(moved.active ?? current);
    } else if ((event.key === 'Enter' || event.key === ' ') && row) {
      event.preventDefault();
      choose(row);
    } else if (
      event.key === 'ContextMenu' ||
      (event.key === 'F10' && event.shiftKey)
    ) {
      event.preventDefault();
      const element = document.getElementById(idOf(current));
      const box = element?.getBoundingClientRect();
      if (element && box) {
        openMenu(element, box.left + 20, box.bottom);
      }
    } else if (event.key.length === 1) {
      const late = event.timeStamp - typed.current.at > TYPING_MS;
      const text = (late ? '' : typed.current.text) + event.key;
      typed.current = { text, at: event.timeStamp };
      const found = typeahead(rows, current, text);
      if (found) {
        activate(found);
      }
    }
  };
  return (
    <div
      ref={node}
      className="jp-modelserve-tree"
      role="tree"
      tabIndex={0}
      aria-label={trans.__('Models')}
      aria-activedescendant={current ? idOf(current) : undefined}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
    >
      <div
        role="presentation"
        className="jp-modelserve-treeSpace"
        style={{ height: rows.length * ROW_HEIGHT }}
      >
        {rows.slice(first, last).map((row, index) => (
          <Row
            key={row.id}
            row={row}
            id={idOf(row.id)}
            active={row.id === current}
            top={(first + index) * ROW_HEIGHT}
            onToggle={() => view.toggle(row.id)}
            onChoose={() => choose(row)}
            onMenu={event => {
              event.stopPropagation();
              setActive(row.id);
              openMenu(event.currentTarget, event.clientX, event.clientY);
            }}
          />
        ))}
      </div>
    </div>
  );
}
