import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { IServedEntity } from '../../api';
import { least, most, scaled } from '../../model/scale';
import { selectorText } from '../../model/states';
import { useServices } from '../context';

const SIZES: IServedEntity['workload_size'][] = ['Small', 'Medium', 'Large'];

/** A number that may be left out, for which the server has a default. */
function numberOf(text: string): number | null {
  const found = Number(text);
  return text.trim() === '' || Number.isNaN(found) ? null : found;
}

/** When the compute is held, in words (REQ-010). */
function costText(cost: string, trans: TranslationBundle): string {
  return cost === 'on-demand'
    ? trans.__('on-demand: none while nobody asks')
    : trans.__('all-purpose: held all the time');
}

/** The compute of one served entity as a row that can be changed. */
export function EntityRow(props: {
  entity: IServedEntity;
  limits: boolean;
  several: boolean;
  set: (part: Partial<IServedEntity>) => void;
}): React.ReactElement {
  const { trans } = useServices();
  const { entity, limits, several, set } = props;
  const what = `${entity.model}, ${selectorText(entity.selector, trans)}`;
  const box = (
    label: string,
    value: number | null,
    change: (text: string) => void,
    step = '1',
    min = 0
  ) => (
    <td>
      <input
        type="number"
        className="jp-modelserve-input jp-modelserve-number"
        aria-label={trans.__('%1 of %2', label, what)}
        min={min}
        step={step}
        value={value ?? ''}
        placeholder={trans.__('auto')}
        onChange={event => change(event.target.value)}
      />
    </td>
  );
  return (
    <tr>
      <th scope="row">{what}</th>
      <td>
        <select
          className="jp-modelserve-input"
          aria-label={trans.__('Size of %1', what)}
          value={entity.workload_size}
          onChange={event =>
            set({
              workload_size: event.target
                .value as IServedEntity['workload_size']
            })
          }
        >
          {SIZES.map(each => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </td>
      {box(
        trans.__('Min replicas'),
        least(entity),
        text => set(scaled(entity, { least: numberOf(text) ?? 1 })),
        '1',
        1
      )}
      {box(
        trans.__('Max replicas'),
        most(entity),
        text => set(scaled(entity, { most: numberOf(text) ?? 1 })),
        '1',
        1
      )}
      <td>
        <label className="jp-modelserve-inline">
          <input
            type="checkbox"
            aria-label={trans.__('Scale to zero of %1', what)}
            checked={entity.scale_to_zero}
            onChange={event => set({ scale_to_zero: event.target.checked })}
          />
          {costText(entity.scale_to_zero ? 'on-demand' : 'all-purpose', trans)}
        </label>
      </td>
      {several &&
        box(trans.__('Traffic'), entity.traffic, text =>
          set({ traffic: numberOf(text) ?? 0 })
        )}
      {limits &&
        box(
          trans.__('Cores'),
          entity.cores,
          text => set({ cores: numberOf(text) }),
          '0.5'
        )}
      {limits &&
        box(
          trans.__('Memory (GiB)'),
          entity.memory_gb,
          text => set({ memory_gb: numberOf(text) }),
          '0.5'
        )}
    </tr>
  );
}
