/**
 * What a state looks like. Colour never stands alone: each level comes with a word.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  IEndpoint,
  IEnvironment,
  IInstanceStatus,
  ISelector
} from '../api';
import type { ViewState } from '../tokens';

/** The four looks of a state. */
export type Level = 'good' | 'busy' | 'bad' | 'idle';

/** A state as text and look. */
export interface IBadge {
  text: string;
  level: Level;
}

/** The endpoint's two tracks as one badge: what serves now, unless a change is the news. */
export function endpointBadge(
  endpoint: IEndpoint,
  trans: TranslationBundle
): IBadge {
  const { service, update } = endpoint.status;
  if (service === 'FAILED') {
    return { text: trans.__('Failed'), level: 'bad' };
  }
  if (service === 'PENDING') {
    return { text: trans.__('Starting'), level: 'busy' };
  }
  if (update === 'IN_PROGRESS') {
    return { text: trans.__('Ready, updating'), level: 'busy' };
  }
  if (update === 'UPDATE_FAILED') {
    return { text: trans.__('Ready, update failed'), level: 'bad' };
  }
  const asleep = endpoint.status.versions.every(
    each => each.state === 'SCALED_TO_ZERO'
  );
  return asleep && endpoint.status.versions.length > 0
    ? { text: trans.__('Ready, scaled to zero'), level: 'idle' }
    : { text: trans.__('Ready'), level: 'good' };
}

/** Whether a request to the version is answered; one that is scaled to zero comes back for it. */
export function answers(state: string): boolean {
  return state === 'READY' || state === 'SCALED_TO_ZERO';
}

/** A version's state as a badge. An unknown state of a newer server is shown as it came. */
export function versionBadge(state: string, trans: TranslationBundle): IBadge {
  switch (state) {
    case 'READY':
      return { text: trans.__('Ready'), level: 'good' };
    case 'FAILED':
      return { text: trans.__('Failed'), level: 'bad' };
    case 'PENDING':
      return { text: trans.__('Waiting'), level: 'busy' };
    case 'BUILDING':
      return { text: trans.__('Building environment'), level: 'busy' };
    case 'STARTING':
      return { text: trans.__('Starting'), level: 'busy' };
    case 'LOADING':
      return { text: trans.__('Loading'), level: 'busy' };
    case 'PROBING':
      return { text: trans.__('Probing'), level: 'busy' };
    case 'UNLOADING':
      return { text: trans.__('Unloading'), level: 'idle' };
    case 'SCALED_TO_ZERO':
      return { text: trans.__('Scaled to zero'), level: 'idle' };
    default:
      return { text: state, level: 'idle' };
  }
}

/** Where a version runs, in words. */
export function environmentText(
  environment: IEnvironment | null,
  trans: TranslationBundle
): string {
  return environment
    ? trans.__('%1, Python %2', environment.kind, environment.python_version)
    : '–';
}

/** Where a check stands, as a badge. */
export function checkBadge(state: string, trans: TranslationBundle): IBadge {
  switch (state) {
    case 'running':
      return { text: trans.__('Validating'), level: 'busy' };
    case 'passed':
      return { text: trans.__('Passed'), level: 'good' };
    case 'failed':
      return { text: trans.__('Failed'), level: 'bad' };
    case 'cancelled':
      return { text: trans.__('Cancelled'), level: 'idle' };
    default:
      return { text: state, level: 'idle' };
  }
}

/** All processes of the instance as one state. */
export function instanceBadge(
  instance: IInstanceStatus,
  trans: TranslationBundle
): IBadge {
  const states = [instance.gateway.state, instance.controller.state];
  if (states.every(state => state === 'running')) {
    return { text: trans.__('Running'), level: 'good' };
  }
  return { text: trans.__('Starting'), level: 'busy' };
}

/** The selector in words. */
export function selectorText(
  selector: ISelector,
  trans: TranslationBundle
): string {
  const value = selector.value ?? '';
  switch (selector.kind) {
    case 'alias':
      return trans.__('alias %1', value);
    case 'stage':
      return trans.__('stage %1', value);
    case 'version':
      return trans.__('version %1', value);
    default:
      return trans.__('all active versions');
  }
}

/** Whether something is on its way, so that looking again soon is worth it. */
export function isBusy(state: ViewState): boolean {
  if (state.kind === 'starting') {
    return true;
  }
  if (state.kind !== 'running') {
    return false;
  }
  return (
    state.instance.gateway.state !== 'running' ||
    state.instance.controller.state !== 'running' ||
    state.endpoints.some(
      each =>
        each.status.service === 'PENDING' ||
        each.status.update === 'IN_PROGRESS'
    )
  );
}

/** A step on the way to answering, in words. An unknown step of a newer server is shown as it came. */
export function phaseText(name: string, trans: TranslationBundle): string {
  const known: Record<string, string> = {
    resolve: trans.__('Resolve requirements'),
    environment: trans.__('Build environment'),
    start: trans.__('Start process'),
    load: trans.__('Load model'),
    probe: trans.__('Try a prediction'),
    ready: trans.__('Ready after')
  };
  return known[name] ?? name;
}

/** The instance while it cannot be asked, or is on its way. */
export function stateBadge(state: ViewState, trans: TranslationBundle): IBadge {
  switch (state.kind) {
    case 'running':
      return instanceBadge(state.instance, trans);
    case 'stopped':
      return { text: trans.__('Stopped'), level: 'idle' };
    case 'error':
      return { text: trans.__('Does not answer'), level: 'bad' };
    case 'starting':
      return { text: trans.__('Starting'), level: 'busy' };
    default:
      return { text: trans.__('Looking'), level: 'idle' };
  }
}
