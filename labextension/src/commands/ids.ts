/** Every command of the extension. */
export namespace CommandIDs {
  /** Show the panel. */
  export const open = 'modelserve:open';
  /** Look again at what is served. */
  export const refresh = 'modelserve:refresh';
  /** Start the instance. */
  export const start = 'modelserve:start';
  /** Open the page of a model. */
  export const openModel = 'modelserve:open-model';
  /** Open the page of a version. */
  export const openVersion = 'modelserve:open-version';
  /** Open the page of an endpoint. */
  export const openEndpoint = 'modelserve:open-endpoint';
  /** Open the page that sends requests. */
  export const query = 'modelserve:query';
  /** Open any page, as it was: for restoring the layout. */
  export const openPage = 'modelserve:open-page';
  /** Open a page of Voila. */
  export const openDashboard = 'modelserve:open-dashboard';
  /** Register a logged model. */
  export const register = 'modelserve:register';
  /** Make a catalog or a schema. */
  export const createGroup = 'modelserve:create-schema';
  /** Serve a model. */
  export const serve = 'modelserve:serve';
  /** Stop an endpoint. */
  export const stop = 'modelserve:stop';
  /** Set or move an alias. */
  export const setAlias = 'modelserve:set-alias';
  /** Remove an alias. */
  export const removeAlias = 'modelserve:remove-alias';
  /** Move a version to a stage. */
  export const setStage = 'modelserve:set-stage';
  /** Copy a version into another model. */
  export const copyVersion = 'modelserve:copy-version';
  /** Delete a version, or a model. */
  export const remove = 'modelserve:delete';
  /** Describe a model or a version. */
  export const describe = 'modelserve:describe';
  /** Set a tag of a model or a version. */
  export const setTag = 'modelserve:set-tag';
  /** Remove a tag of a model or a version. */
  export const removeTag = 'modelserve:remove-tag';
  /** Grant a right. */
  export const grant = 'modelserve:grant';
  /** Take a right back. */
  export const revoke = 'modelserve:revoke';
  /** Insert the cell that uses something into the notebook. */
  export const insert = 'modelserve:insert';
  /** Copy the cell that uses something. */
  export const copyCell = 'modelserve:copy-cell';
}
