/**
 * The registry as a tree of rows: catalog › schema › model › version; one-level names below one node of their own.
 */
import type { IOutlineModel } from '../api';
import { isThreeLevel } from './names';

/** What a row stands for. */
export type RowKind = 'workspace' | 'catalog' | 'schema' | 'model' | 'version';

/** One visible row. Positions are for assistive technology, which cannot count rows that are not drawn. */
export interface IRow {
  id: string;
  kind: RowKind;
  /** Name of a group or model, number of a version. */
  label: string;
  level: number;
  position: number;
  siblings: number;
  expanded: boolean | null;
  /** Models below a group, versions of a model. */
  count: number;
  model: string;
  version: string;
  aliases: string[];
  stage: string;
}

interface IGroup {
  id: string;
  kind: RowKind;
  label: string;
  groups: IGroup[];
  models: IOutlineModel[];
}

const WORKSPACE = 'workspace';

function group(kind: RowKind, id: string, label: string): IGroup {
  return { id, kind, label, groups: [], models: [] };
}

/** Put models into their places; the order of *models* is kept. Catalogs and schemas may be empty. */
function arrange(
  models: readonly IOutlineModel[],
  groups: readonly string[]
): IGroup[] {
  const top: IGroup[] = [];
  const known = new Map<string, IGroup>();
  const place = (
    into: IGroup[],
    kind: RowKind,
    id: string,
    label: string
  ): IGroup => {
    let found = known.get(id);
    if (!found) {
      found = group(kind, id, label);
      known.set(id, found);
      into.push(found);
    }
    return found;
  };
  const inside = (catalog: string, schema: string): IGroup => {
    const above = place(top, 'catalog', `catalog:${catalog}`, catalog);
    const id = `schema:${catalog}.${schema}`;
    return schema ? place(above.groups, 'schema', id, schema) : above;
  };
  for (const name of groups) {
    const [catalog, schema = ''] = name.split('.');
    inside(catalog, schema);
  }
  for (const model of models) {
    if (isThreeLevel(model.name)) {
      const [catalog, schema] = model.name.split('.');
      inside(catalog, schema).models.push(model);
    } else {
      place(top, 'workspace', WORKSPACE, WORKSPACE).models.push(model);
    }
  }
  for (const each of top) {
    each.groups.sort((a, b) => a.label.localeCompare(b.label));
  }
  return top.sort((a, b) =>
    a.kind === b.kind
      ? a.label.localeCompare(b.label)
      : a.kind < b.kind
        ? -1
        : 1
  );
}

/** Whether every word is in a name, an alias or a stage of the model. */
export function matches(model: IOutlineModel, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    return true;
  }
  const text = [
    model.name,
    ...Object.keys(model.aliases),
    ...Object.values(model.stages)
  ]
    .join(' ')
    .toLowerCase();
  return words.every(word => text.includes(word));
}

function size(each: IGroup): number {
  return each.groups.reduce((sum, one) => sum + size(one), each.models.length);
}

/**
 * The visible rows; *known* are catalogs and schemas that may hold no model. Groups are open and models closed at first; *toggled* holds those that are not. While something
 * is searched for, every group with a match is open.
 */
export function rowsOf(
  models: readonly IOutlineModel[],
  toggled: ReadonlySet<string>,
  filter: string,
  known: readonly string[] = []
): IRow[] {
  const searching = filter.trim() !== '';
  const shown = searching
    ? models.filter(each => matches(each, filter))
    : models;
  const rows: IRow[] = [];
  const groups = (found: IGroup[], level: number, siblings: number): void => {
    found.forEach((each, index) => {
      const expanded = searching || !toggled.has(each.id);
      rows.push({
        ...EMPTY,
        id: each.id,
        kind: each.kind,
        label: each.label,
        level,
        position: index + 1,
        siblings,
        expanded,
        count: size(each)
      });
      if (expanded) {
        groups(each.groups, level + 1, each.groups.length);
        each.models.forEach((model, position) =>
          modelRows(
            rows,
            model,
            level + 1,
            position + 1,
            each.models.length,
            toggled
          )
        );
      }
    });
  };
  const words = filter.trim().toLowerCase();
  const top = arrange(
    shown,
    known.filter(each => each.toLowerCase().includes(words))
  );
  groups(top, 1, top.length);
  return rows;
}

const EMPTY = {
  model: '',
  version: '',
  aliases: [] as string[],
  stage: ''
};

function modelRows(
  rows: IRow[],
  model: IOutlineModel,
  level: number,
  position: number,
  siblings: number,
  toggled: ReadonlySet<string>
): void {
  const id = `model:${model.name}`;
  const expanded = model.versions.length > 0 ? toggled.has(id) : null;
  rows.push({
    id,
    kind: 'model',
    label: isThreeLevel(model.name) ? model.name.split('.')[2] : model.name,
    level,
    position,
    siblings,
    expanded,
    count: model.versions.length,
    model: model.name,
    version: '',
    aliases: [],
    stage: ''
  });
  if (!expanded) {
    return;
  }
  const aliases = new Map<string, string[]>();
  for (const [alias, version] of Object.entries(model.aliases)) {
    aliases.set(version, [...(aliases.get(version) ?? []), alias]);
  }
  model.versions.forEach((version, index) =>
    rows.push({
      id: `version:${model.name}/${version}`,
      kind: 'version',
      label: version,
      level: level + 1,
      position: index + 1,
      siblings: model.versions.length,
      expanded: null,
      count: 0,
      model: model.name,
      version,
      aliases: aliases.get(version) ?? [],
      stage: model.stages[version] ?? ''
    })
  );
}

/** What the keyboard does to the active row. */
export interface IMove {
  active?: string;
  toggle?: string;
}

const PAGE = 10;

/** Arrow keys, Home, End and paging as trees have them; nothing for any other key. */
export function move(
  rows: readonly IRow[],
  active: string,
  key: string
): IMove | null {
  const index = Math.max(
    rows.findIndex(each => each.id === active),
    0
  );
  const row = rows[index];
  if (!row) {
    return null;
  }
  const to = (place: number): IMove => ({
    active: rows[Math.min(Math.max(place, 0), rows.length - 1)].id
  });
  switch (key) {
    case 'ArrowDown':
      return to(index + 1);
    case 'ArrowUp':
      return to(index - 1);
    case 'Home':
      return to(0);
    case 'End':
      return to(rows.length - 1);
    case 'PageDown':
      return to(index + PAGE);
    case 'PageUp':
      return to(index - PAGE);
    case 'ArrowRight':
      return row.expanded === null
        ? {}
        : row.expanded
          ? to(index + 1)
          : { toggle: row.id };
    case 'ArrowLeft': {
      if (row.expanded) {
        return { toggle: row.id };
      }
      for (let above = index - 1; above >= 0; above--) {
        if (rows[above].level < row.level) {
          return to(above);
        }
      }
      return {};
    }
    default:
      return null;
  }
}

/** The next row whose label begins with what was typed, behind the active one and around. */
export function typeahead(
  rows: readonly IRow[],
  active: string,
  typed: string
): string | undefined {
  const start = rows.findIndex(each => each.id === active);
  const text = typed.toLowerCase();
  const offset = typed.length > 1 ? 0 : 1;
  for (let step = 0; step < rows.length; step++) {
    const row = rows[(Math.max(start, 0) + offset + step) % rows.length];
    if (row.label.toLowerCase().startsWith(text)) {
      return row.id;
    }
  }
  return undefined;
}
