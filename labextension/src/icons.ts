import { LabIcon } from '@jupyterlab/ui-components';

import modelserveSvg from '../style/icons/modelserve.svg';

/** The product's icon; its colours come from the theme. */
export const modelserveIcon = new LabIcon({
  name: 'modelserve:logo',
  svgstr: modelserveSvg
});
