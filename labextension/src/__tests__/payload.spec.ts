import {
  convert,
  formatOf,
  formColumns,
  pretty,
  tableOf,
  valueOf,
  write
} from '../model/payload';

const TABLE = { columns: ['a', 'b'], rows: [[1, 'x,y']] };

describe('request bodies', () => {
  it.each(['dataframe_split', 'dataframe_records', 'inputs', 'instances'])(
    'writes and reads %s',
    format => {
      const text = write(TABLE, format as 'inputs');
      expect(tableOf(JSON.parse(text))).toEqual(TABLE);
      expect(formatOf(text)).toBe(format);
    }
  );

  it('writes CSV with quotes where they are needed', () => {
    expect(write(TABLE, 'csv')).toBe('a,b\n1,"x,y"');
    expect(formatOf('a,b\n1,2')).toBe('csv');
  });

  it('changes the format without losing what was typed', () => {
    const csv = 'a,b,c\n1,"x,""y",\n2.5,z,true';
    const split = JSON.parse(convert(csv, 'dataframe_split'));
    expect(split.dataframe_split).toEqual({
      columns: ['a', 'b', 'c'],
      data: [
        [1, 'x,"y', null],
        [2.5, 'z', 'true']
      ]
    });
    expect(convert(JSON.stringify(split), 'csv')).toBe(csv);
    expect(convert('{"x": 1}', 'csv')).toBe('{"x": 1}');
    expect(convert('', 'csv')).toBe('');
  });

  it('knows what is no table', () => {
    expect(
      tableOf({
        inputs: [
          [1, 2],
          [3, 4]
        ]
      })
    ).toBeNull();
    expect(tableOf([1])).toBeNull();
    expect(formatOf('{"x": 1}')).toBeNull();
  });

  it('keeps a row on one line', () => {
    expect(pretty({ data: [[1, 2]] })).toContain('[1, 2]');
  });

  it('makes a form of named columns only', () => {
    const named = { name: 'a', type: 'double' };
    expect(formColumns([named, { type: 'tensor' }])).toEqual([named]);
    expect(formColumns(undefined)).toEqual([]);
  });

  it('reads fields by the type of their column', () => {
    expect(valueOf({ type: 'double' }, '1.5')).toBe(1.5);
    expect(valueOf({ type: 'double' }, 'x')).toBe('x');
    expect(valueOf({ type: 'boolean' }, 'true')).toBe(true);
    expect(valueOf({ type: 'string' }, '1')).toBe('1');
    expect(valueOf({ type: 'array' }, '[1]')).toEqual([1]);
    expect(valueOf({ type: 'long' }, '')).toBeNull();
  });
});
