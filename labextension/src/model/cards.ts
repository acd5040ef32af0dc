/**
 * Live cards in notebooks: what the kernel says one is about. The kernel says no more than that; what is shown comes
 * from the panel's own stores, with the rights of whoever looks.
 */

/** The kernel's word for a live card. */
export const CARD_MIME = 'application/vnd.jupyter-modelserve.card+json';

/** What a card is about. */
export interface ICard {
  kind: 'endpoint' | 'endpoints' | 'models';
  /** Name of the endpoint, where it is about one. */
  name: string;
  /** Address of the instance by which the kernel knows it. */
  instance: string;
}

const KINDS: string[] = ['endpoint', 'endpoints', 'models'];
const PROXY = 'jupyter-modelserve';

/** A card out of a notebook; nothing where it is none that this version knows. */
export function cardOf(value: unknown): ICard | null {
  const { kind, name, instance } = (value ?? {}) as Partial<ICard>;
  return typeof kind === 'string' &&
    KINDS.includes(kind) &&
    typeof name === 'string' &&
    typeof instance === 'string'
    ? { kind, name, instance }
    : null;
}

/**
 * Whether the kernel's instance is the panel's: by the instance's own address, or by the way through this very
 * Jupyter server.
 */
export function isSame(
  instance: string,
  url: string,
  serverUrl: string
): boolean {
  const trimmed = instance.replace(/\/+$/, '');
  if (trimmed === url.replace(/\/+$/, '')) {
    return true;
  }
  try {
    return new URL(trimmed).pathname === new URL(PROXY, serverUrl).pathname;
  } catch {
    return false;
  }
}
