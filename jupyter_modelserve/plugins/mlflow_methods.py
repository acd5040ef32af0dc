"""Which operation each method of MLflow's registry store is: a method without a row is refused.

Pure data, so that the documentation and the tests can compare it with what MLflow has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jupyter_modelserve.controller.governance.operations import Operation

O = Operation  # noqa: E741 - reads well in the table


@dataclass(frozen=True, slots=True)
class Method:
    """``operation`` on the model that ``name`` gives; ``detail`` is the argument with the alias or stage."""

    operation: Operation
    changes: bool = False
    detail: str = ""


METHODS: Final = {
    "create_registered_model": Method(O.MODEL_CREATE, changes=True),
    "update_registered_model": Method(O.MODEL_UPDATE, changes=True),
    "rename_registered_model": Method(O.MODEL_RENAME, changes=True),
    "delete_registered_model": Method(O.MODEL_DELETE, changes=True),
    "get_registered_model": Method(O.MODEL_VIEW),
    "get_latest_versions": Method(O.MODEL_VIEW),
    "set_registered_model_tag": Method(O.MODEL_TAG, changes=True),
    "delete_registered_model_tag": Method(O.MODEL_TAG, changes=True),
    "set_registered_model_alias": Method(O.MODEL_ALIAS, changes=True, detail="alias"),
    "delete_registered_model_alias": Method(O.MODEL_ALIAS, changes=True, detail="alias"),
    "get_model_version_by_alias": Method(O.MODEL_VIEW),
    "create_model_version": Method(O.VERSION_CREATE, changes=True),
    "update_model_version": Method(O.VERSION_UPDATE, changes=True),
    "transition_model_version_stage": Method(O.VERSION_STAGE, changes=True, detail="stage"),
    "delete_model_version": Method(O.VERSION_DELETE, changes=True),
    "get_model_version": Method(O.MODEL_VIEW),
    "get_model_version_download_uri": Method(O.VERSION_READ),
    "set_model_version_tag": Method(O.VERSION_TAG, changes=True),
    "delete_model_version_tag": Method(O.VERSION_TAG, changes=True),
}
SEARCHES: Final = {"search_registered_models": O.MODEL_VIEW, "search_model_versions": O.MODEL_VIEW}
"""Everybody may search; what one may not see is left out."""
COMPOSED: Final = frozenset({"copy_model_version"})
"""Made of calls that are judged one by one."""
INTERNAL: Final = frozenset({"list_webhooks_by_event", "supports_workspaces", "supports_webhooks"})
"""MLflow's handlers call these for themselves; no request reaches them."""
