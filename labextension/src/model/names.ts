/** Names as jupyter_modelserve/names.py reads them. */

/** The stages of models with a one-level name. */
export const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;

const WRONG_ALIAS = /^(latest|v\d+|\d+)$/i;
const ALIAS = /^[\p{L}\p{N}_-]{1,255}$/u;
const LONGEST_MODEL = 250;

/** Whether the name is `catalog.schema.model`; any other number of parts is a workspace name. */
export function isThreeLevel(model: string): boolean {
  const parts = model.split('.');
  return parts.length === 3 && parts.every(part => part.length > 0);
}

/** Whether an alias can be set; the server has the last word. */
export function isAlias(alias: string, model: string): boolean {
  const stage = STAGES.some(each => each.toLowerCase() === alias.toLowerCase());
  return (
    ALIAS.test(alias) &&
    !WRONG_ALIAS.test(alias) &&
    (isThreeLevel(model) || !stage)
  );
}

/** Whether a model can be called so; the server has the last word. */
export function isModelName(model: string): boolean {
  return (
    model.length > 0 &&
    model.length <= LONGEST_MODEL &&
    model === model.trim() &&
    !/[/:@%?#\\]/.test(model) &&
    !model.includes('..') &&
    !model.startsWith('.') &&
    !model.endsWith('.')
  );
}

const GROUP =
  /^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,99})?$/;

/** Whether a catalog (one part) or a schema (two parts) can be called so; the server has the last word. */
export function isGroupName(name: string): boolean {
  return GROUP.test(name);
}

/** The name that an endpoint of a model has unless told otherwise. */
export function endpointFor(model: string): string {
  const name = model
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[-_]+|[-_]+$/g, '')
    .slice(0, 63);
  return name || 'model';
}

/** The path below which a version, alias or stage is scored. */
export function scoringPath(model: string, segment: string): string {
  return `/model/${encodeURIComponent(model)}/${encodeURIComponent(segment)}/invocations`;
}

/** The path at which an endpoint is scored. */
export function endpointPath(endpoint: string): string {
  return `/serving-endpoints/${encodeURIComponent(endpoint)}/invocations`;
}
