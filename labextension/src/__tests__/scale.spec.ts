import type { IServedEntity } from '../api';
import * as magics from '../model/magics';
import { least, most, scaled } from '../model/scale';

const entity = (part: Partial<IServedEntity> = {}) =>
  ({
    replicas: 1,
    min_replicas: null,
    max_replicas: null,
    scale_to_zero: false,
    ...part
  }) as IServedEntity;

describe('bounds of replicas', () => {
  it('are one number where nothing scales', () => {
    const fixed = entity({ replicas: 3 });
    expect([least(fixed), most(fixed)]).toEqual([3, 3]);
    expect(scaled(fixed, { least: 1, most: 1 })).toEqual({
      replicas: 1,
      min_replicas: null,
      max_replicas: null
    });
  });

  it('follow the one that was changed', () => {
    const some = entity({ replicas: 2, min_replicas: 2, max_replicas: 4 });
    expect(scaled(some, { most: 1 })).toMatchObject({
      replicas: 1,
      max_replicas: null
    });
    expect(scaled(some, { least: 6 })).toMatchObject({
      replicas: 6,
      max_replicas: null
    });
    expect(scaled(some, { most: 8 })).toEqual({
      replicas: 2,
      min_replicas: 2,
      max_replicas: 8
    });
  });

  it('are in the cell that does the same', () => {
    expect(
      magics.serve('iris', { replicas: 1, min: 1, max: 3, scaleToZero: true })
    ).toBe('%serve iris --min 1 --max 3 --scale-to-zero');
    expect(magics.serve('iris', { replicas: 2, min: null, max: null })).toBe(
      '%serve iris --replicas 2'
    );
  });
});
