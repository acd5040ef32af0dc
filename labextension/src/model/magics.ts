/**
 * The cell that does the same as a click. What no magic does is written with MLflow's client.
 */
import type { ISelector } from '../api';

/** The line that loads the magics. */
export const LOAD = '%load_ext jupyter_modelserve';

function py(text: string): string {
  return JSON.stringify(text);
}

/** A word of a magic's line; quoted where it has a blank. */
function word(text: string): string {
  return /[\s"']/.test(text) ? `"${text.replace(/"/g, '')}"` : text;
}

/** A model with what of it: `iris`, `iris@champion`, `iris/2`, `iris/Production`. */
export function reference(model: string, selector?: ISelector | null): string {
  const value = selector?.value ?? '';
  switch (value ? selector?.kind : 'active') {
    case 'alias':
      return `${model}@${value}`;
    case 'version':
    case 'stage':
      return `${model}/${value}`;
    default:
      return model;
  }
}

/** What `%serve` may be told besides the model. */
export interface IServing {
  name?: string;
  size?: string;
  replicas?: number;
  min?: number | null;
  max?: number | null;
  scaleToZero?: boolean;
  engine?: string | null;
}

/** Serve. Only what differs from what `%serve` does by itself is written. */
export function serve(what: string, options: IServing = {}): string {
  const { name, size, replicas, min, max, scaleToZero, engine } = options;
  const bounds = typeof max === 'number';
  return [
    `%serve ${word(what)}`,
    name ? `--name ${word(name)}` : '',
    size && size !== 'Small' ? `--size ${size}` : '',
    replicas && replicas > 1 && !bounds ? `--replicas ${replicas}` : '',
    bounds ? `--min ${min ?? 1} --max ${max}` : '',
    scaleToZero ? '--scale-to-zero' : '',
    engine ? `--engine ${engine}` : ''
  ]
    .filter(Boolean)
    .join(' ');
}

/** Stop serving. */
export function stop(endpoint: string): string {
  return `%stop ${word(endpoint)}`;
}

/** The log of a version. */
export function logs(endpoint: string, version?: string): string {
  return `%logs ${word(endpoint)}${version ? ` --version ${version}` : ''}`;
}

/** Score: with a body in the cell, or with a variable. */
export function score(what: string, body?: string): string {
  return body ? `%%score ${word(what)}\n${body}` : `%score ${word(what)} data`;
}

/** Register a logged model. */
export function register(
  name: string,
  uri: string,
  alias = '',
  description = ''
): string {
  return [
    `%register ${word(name || 'NAME')} ${word(uri || 'runs:/…/model')}`,
    alias ? `--alias ${word(alias)}` : '',
    description ? `--description ${JSON.stringify(description)}` : ''
  ]
    .filter(Boolean)
    .join(' ');
}

function client(call: string): string {
  return `from mlflow import MlflowClient\n\nMlflowClient().${call}`;
}

/** Run a version in a clean environment, as it is or with other requirements. */
export function check(
  model: string,
  version: string,
  requirements: string[] = [],
  python = ''
): string {
  return [
    `%check ${word(`${model}/${version}`)}`,
    ...requirements.map(each => `--requirement ${word(each)}`),
    python ? `--python ${word(python)}` : ''
  ]
    .filter(Boolean)
    .join(' ');
}

/** Write requirements into a logged model and register it; a registered version itself never changes. */
export function keepRequirements(
  model: string,
  logged: string,
  requirements: string[]
): string {
  const list = JSON.stringify(requirements);
  return `import jupyter_modelserve as ms\n\nms.update_requirements(${py(logged)}, ${list})\n%register ${word(model)} ${logged}`;
}

/** Make a catalog, or a schema in one. */
export function createGroup(name: string, comment: string): string {
  const call = name.includes('.') ? 'create_schema' : 'create_catalog';
  const rest = comment ? `, ${py(comment)}` : '';
  return `from jupyter_modelserve.client import Client\n\nClient.discover().${call}(${py(name)}${rest})`;
}

/** Let an alias point at a version. */
export function setAlias(
  model: string,
  alias: string,
  version: string
): string {
  return client(
    `set_registered_model_alias(${py(model)}, ${py(alias)}, ${py(version)})`
  );
}

/** Take an alias away. */
export function deleteAlias(model: string, alias: string): string {
  return client(`delete_registered_model_alias(${py(model)}, ${py(alias)})`);
}

/** Move a version to a stage. */
export function setStage(
  model: string,
  version: string,
  stage: string,
  archive: boolean
): string {
  const last = archive ? ', archive_existing_versions=True' : '';
  return client(
    `transition_model_version_stage(${py(model)}, ${py(version)}, ${py(stage)}${last})`
  );
}

/** Copy a version into another model. */
export function copy(model: string, version: string, target: string): string {
  return client(
    `copy_model_version(${py(`models:/${model}/${version}`)}, ${py(target)})`
  );
}

/** Delete a version, or a model with all of its versions. */
export function remove(model: string, version = ''): string {
  return version
    ? client(`delete_model_version(${py(model)}, ${py(version)})`)
    : client(`delete_registered_model(${py(model)})`);
}

/** Describe a version, or a model. */
export function describe(model: string, version: string, text: string): string {
  return version
    ? client(`update_model_version(${py(model)}, ${py(version)}, ${py(text)})`)
    : client(`update_registered_model(${py(model)}, ${py(text)})`);
}

/** Set a tag of a version, or of a model. */
export function setTag(
  model: string,
  version: string,
  key: string,
  value: string
): string {
  return version
    ? client(
        `set_model_version_tag(${py(model)}, ${py(version)}, ${py(key)}, ${py(value)})`
      )
    : client(
        `set_registered_model_tag(${py(model)}, ${py(key)}, ${py(value)})`
      );
}
