import { selectorOf } from '../commands/serving';
import { cellFor } from '../commands/notebook';
import { statement } from '../commands/grants';
import * as magics from '../model/magics';
import { endpointFor, isAlias, isModelName } from '../model/names';

describe('cells', () => {
  it('writes only what differs from what %serve does by itself', () => {
    expect(magics.serve('iris')).toBe('%serve iris');
    expect(
      magics.serve('iris@Champion', { name: 'x', size: 'Large', replicas: 2 })
    ).toBe('%serve iris@Champion --name x --size Large --replicas 2');
    expect(magics.serve('my model')).toBe('%serve "my model"');
  });

  it('names what a selector means', () => {
    expect(magics.reference('iris', selectorOf('alias=A'))).toBe('iris@A');
    expect(magics.reference('iris', selectorOf('version=2'))).toBe('iris/2');
    expect(magics.reference('iris', selectorOf('stage=Staging'))).toBe(
      'iris/Staging'
    );
    expect(magics.reference('iris', selectorOf('active'))).toBe('iris');
  });

  it('gives the cell of whatever is dragged', () => {
    expect(cellFor({ endpoint: 'live' })).toBe('%score live data');
    expect(cellFor({ model: 'iris', version: '2' })).toBe('%serve iris/2');
  });

  it('quotes what goes into Python', () => {
    expect(magics.setAlias('iris', 'a"b', '2')).toContain('"a\\"b"');
  });

  it('writes statements of the grant language', () => {
    const on = { kind: 'FUNCTION', name: 'a.b.c' };
    expect(statement('GRANT', 'EXECUTE', on, 'ann')).toBe(
      'GRANT EXECUTE ON FUNCTION a.b.c TO `ann`'
    );
  });
});

describe('names', () => {
  it('knows what can be an alias', () => {
    expect(isAlias('Champion', 'iris')).toBe(true);
    expect(isAlias('Staging', 'iris')).toBe(false);
    expect(isAlias('Staging', 'a.b.iris')).toBe(true);
    expect(isAlias('12', 'iris')).toBe(false);
    expect(isAlias('latest', 'iris')).toBe(false);
  });

  it('knows what can be a model, and the endpoint of one', () => {
    expect(isModelName('a.b.c')).toBe(true);
    expect(isModelName('a/b')).toBe(false);
    expect(endpointFor('prod.sales.churn')).toBe('prod-sales-churn');
  });
});
