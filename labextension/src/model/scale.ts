/**
 * How many replicas a served entity has: a number, or bounds between which it follows the load.
 */
import type { IServedEntity } from '../api';

/** How many replicas there are at least (REQ-132). */
export function least(entity: IServedEntity): number {
  return entity.min_replicas ?? entity.replicas;
}

/** How many there are at most, however much is asked. */
export function most(entity: IServedEntity): number {
  return (
    entity.max_replicas ?? Math.max(entity.min_replicas ?? 1, entity.replicas)
  );
}

/** The fields of the specification for other bounds; a fixed number is said as one. */
export function scaled(
  entity: IServedEntity,
  bounds: { least?: number; most?: number }
): Partial<IServedEntity> {
  const low = Math.max(1, bounds.least ?? least(entity));
  const high = Math.max(1, bounds.most ?? most(entity));
  // The one that was changed counts; the other follows.
  const [from, to] =
    bounds.least === undefined
      ? [Math.min(low, high), high]
      : [low, Math.max(low, high)];
  return {
    replicas: from,
    min_replicas: from === to ? null : from,
    max_replicas: from === to ? null : to
  };
}
