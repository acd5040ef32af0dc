import { matches, move, rowsOf, typeahead } from '../model/tree';

const model = (name: string, versions = ['1']) => ({
  name,
  versions,
  aliases: {},
  stages: {}
});

const MODELS = [
  model('iris', ['2', '1']),
  model('prod.sales.churn'),
  model('prod.sales.fraud'),
  { ...model('heart'), aliases: { Champion: '1' }, stages: { '1': 'Staging' } }
];

describe('rowsOf', () => {
  it('puts one-level names below a node of their own', () => {
    const rows = rowsOf(MODELS, new Set(), '');
    expect(rows.map(each => [each.level, each.kind, each.label])).toEqual([
      [1, 'catalog', 'prod'],
      [2, 'schema', 'sales'],
      [3, 'model', 'churn'],
      [3, 'model', 'fraud'],
      [1, 'workspace', 'workspace'],
      [2, 'model', 'iris'],
      [2, 'model', 'heart']
    ]);
  });

  it('shows catalogs and schemas that hold no model', () => {
    const groups = ['empty', 'empty.default', 'prod', 'prod.default'];
    const rows = rowsOf(MODELS.slice(1, 2), new Set(), '', groups);
    expect(rows.map(each => [each.kind, each.label, each.count])).toEqual([
      ['catalog', 'empty', 0],
      ['schema', 'default', 0],
      ['catalog', 'prod', 1],
      ['schema', 'default', 0],
      ['schema', 'sales', 1],
      ['model', 'churn', 1]
    ]);
    const found = rowsOf(MODELS, new Set(), 'empty.def', groups);
    expect(found.map(each => each.label)).toEqual(['empty', 'default']);
  });

  it('says where a row stands among its siblings', () => {
    const fraud = rowsOf(MODELS, new Set(), '')[3];
    expect([fraud.position, fraud.siblings]).toEqual([2, 2]);
  });

  it('opens a model and shows its versions with aliases and stage', () => {
    const rows = rowsOf(MODELS, new Set(['model:heart']), '');
    expect(rows[rows.length - 1]).toMatchObject({
      kind: 'version',
      version: '1',
      aliases: ['Champion'],
      stage: 'Staging'
    });
  });

  it('closes a group', () => {
    const rows = rowsOf(MODELS, new Set(['catalog:prod']), '');
    expect(rows.map(each => each.label)).not.toContain('fraud');
  });

  it('shows every match of a search, closed groups or not', () => {
    const rows = rowsOf(MODELS, new Set(['catalog:prod']), 'FRAUD');
    expect(rows.map(each => each.label)).toEqual(['prod', 'sales', 'fraud']);
  });

  it('finds by alias and stage as well', () => {
    expect(matches(MODELS[3], 'champion staging')).toBe(true);
    expect(matches(MODELS[3], 'champion production')).toBe(false);
  });

  it('is quick with ten thousand models', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => model(`m${n}`));
    const started = performance.now();
    expect(rowsOf(many, new Set(), '')).toHaveLength(10_001);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('the keyboard', () => {
  const rows = rowsOf(MODELS, new Set(), '');

  it('moves up, down, home and end, and stops at the ends', () => {
    expect(move(rows, 'catalog:prod', 'ArrowDown')).toEqual({
      active: 'schema:prod.sales'
    });
    expect(move(rows, 'catalog:prod', 'ArrowUp')).toEqual({
      active: 'catalog:prod'
    });
    expect(move(rows, 'catalog:prod', 'End')).toEqual({
      active: 'model:heart'
    });
    expect(move(rows, 'model:heart', 'Home')).toEqual({
      active: 'catalog:prod'
    });
  });

  it('opens and closes with the arrows to the side, and goes to the parent', () => {
    expect(move(rows, 'model:iris', 'ArrowRight')).toEqual({
      toggle: 'model:iris'
    });
    expect(move(rows, 'catalog:prod', 'ArrowRight')).toEqual({
      active: 'schema:prod.sales'
    });
    expect(move(rows, 'catalog:prod', 'ArrowLeft')).toEqual({
      toggle: 'catalog:prod'
    });
    expect(move(rows, 'model:iris', 'ArrowLeft')).toEqual({
      active: 'workspace'
    });
  });

  it('leaves other keys alone', () => {
    expect(move(rows, 'model:iris', 'Tab')).toBeNull();
  });

  it('finds the next row that begins with what is typed', () => {
    expect(typeahead(rows, 'catalog:prod', 'f')).toBe('model:prod.sales.fraud');
    expect(typeahead(rows, 'catalog:prod', 'x')).toBeUndefined();
  });
});
