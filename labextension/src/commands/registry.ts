import {
  addIcon,
  copyIcon,
  deleteIcon,
  editIcon,
  newFolderIcon
} from '@jupyterlab/ui-components';

import { isThreeLevel } from '../model/names';
import { createGroup } from './groups';
import { CommandIDs } from './ids';
import { removeAlias, setAlias, setStage } from './labels';
import { register } from './register';
import {
  chooseModel,
  chooseVersion,
  type ITools,
  schema,
  text,
  under
} from './shared';
import { describe, setTag } from './texts';
import { copyVersion, remove } from './versions';

/** Commands that change the registry. */
export function addRegistryCommands(tools: ITools): void {
  const { services } = tools;
  const { commands } = tools.app;
  const { trans, actions } = services;
  const model = trans.__('Name of the model');
  const version = trans.__('Number of the version');
  const optional = trans.__('Number of the version; without it, the model');
  commands.addCommand(CommandIDs.register, {
    label: trans.__('Register Model…'),
    caption: trans.__('Register a model of a run, or from a folder'),
    icon: addIcon,
    describedBy: { args: schema({ model }) },
    execute: args => register(tools, text(args, 'model'))
  });
  commands.addCommand(CommandIDs.createGroup, {
    label: trans.__('New Catalog or Schema…'),
    caption: trans.__('Make a place for models with names of three parts'),
    icon: newFolderIcon,
    describedBy: {
      args: schema({ name: trans.__('A catalog, or catalog.schema') })
    },
    execute: args => {
      const group = under(tools, args).modelserveGroup;
      return createGroup(
        tools,
        text(args, 'name') || (group ? `${group}.` : '')
      );
    }
  });
  commands.addCommand(CommandIDs.setAlias, {
    label: trans.__('Set Alias…'),
    caption: trans.__('Let an alias point at a version'),
    describedBy: {
      args: schema({ model, version, alias: trans.__('The alias') })
    },
    execute: async args => {
      const found = await chooseVersion(tools, args);
      if (found) {
        const alias = text(args, 'alias');
        await setAlias(tools, found.model.name, found.version, alias);
      }
    }
  });
  commands.addCommand(CommandIDs.removeAlias, {
    label: trans.__('Remove Alias…'),
    caption: trans.__('Take an alias away; its version stays'),
    describedBy: { args: schema({ model, alias: trans.__('The alias') }) },
    execute: async args => {
      const name = await chooseModel(tools, args);
      if (name) {
        await removeAlias(tools, name, text(args, 'alias'));
      }
    }
  });
  commands.addCommand(CommandIDs.setStage, {
    label: trans.__('Transition Stage…'),
    caption: trans.__('Move a version to Staging, Production or Archived'),
    describedBy: {
      args: schema({ model, version, stage: trans.__('The stage') })
    },
    isVisible: args => !isThreeLevel(under(tools, args).modelserveModel ?? ''),
    execute: async args => {
      const found = await chooseVersion(tools, args);
      if (found) {
        const stage = text(args, 'stage');
        await setStage(tools, found.model.name, found.version, stage);
      }
    }
  });
  commands.addCommand(CommandIDs.copyVersion, {
    label: trans.__('Copy this Version…'),
    caption: trans.__('Copy a version into another model, for example prod'),
    icon: copyIcon,
    describedBy: { args: schema({ model, version }) },
    execute: async args => {
      const found = await chooseVersion(tools, args);
      if (found) {
        await copyVersion(tools, found.model.name, found.version);
      }
    }
  });
  commands.addCommand(CommandIDs.remove, {
    label: trans.__('Delete…'),
    caption: trans.__('Delete a version, or a model with its versions'),
    icon: deleteIcon,
    describedBy: { args: schema({ model, version: optional }) },
    execute: async args => {
      const name = await chooseModel(tools, args);
      const number =
        text(args, 'version') || (under(tools, args).modelserveVersion ?? '');
      if (name) {
        await remove(tools, name, number);
      }
    }
  });
  commands.addCommand(CommandIDs.describe, {
    label: trans.__('Edit Description…'),
    caption: trans.__('Describe a model or a version'),
    icon: editIcon,
    describedBy: {
      args: schema({
        model,
        version: optional,
        text: trans.__('The present text')
      })
    },
    execute: async args => {
      const name = await chooseModel(tools, args);
      if (name) {
        await describe(tools, name, text(args, 'version'), text(args, 'text'));
      }
    }
  });
  commands.addCommand(CommandIDs.setTag, {
    label: trans.__('Set Tag…'),
    caption: trans.__('Set a tag of a model or a version'),
    describedBy: {
      args: schema({
        model,
        version: optional,
        key: trans.__('Name of the tag'),
        value: trans.__('The present value')
      })
    },
    execute: async args => {
      const name = await chooseModel(tools, args);
      if (name) {
        const number = text(args, 'version');
        const [key, value] = [text(args, 'key'), text(args, 'value')];
        await setTag(tools, name, number, key, value);
      }
    }
  });
  commands.addCommand(CommandIDs.removeTag, {
    label: trans.__('Remove Tag'),
    caption: trans.__('Remove a tag of a model or a version'),
    describedBy: {
      args: schema(
        { model, version: optional, key: trans.__('Name of the tag') },
        ['model', 'key']
      )
    },
    isVisible: () => false,
    execute: args =>
      actions.deleteTag(
        text(args, 'model'),
        text(args, 'version'),
        text(args, 'key')
      )
  });
}
