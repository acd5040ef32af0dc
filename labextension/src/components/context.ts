import {
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import * as React from 'react';

/** The texts of the panel in the user's language. */
export const TranslationContext = React.createContext<TranslationBundle>(
  nullTranslator.load('jupyter-modelserve')
);

/** The translation of the surrounding panel. */
export function useTranslation(): TranslationBundle {
  return React.useContext(TranslationContext);
}
