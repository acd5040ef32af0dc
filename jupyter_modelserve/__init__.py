"""Register, serve and score models from notebooks: ``import jupyter_modelserve as ms``.

Importing this package must stay cheap (a Jupyter server imports it at start): everything is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_modelserve.authoring.checks import update_requirements as update_requirements
    from jupyter_modelserve.authoring.connection import connect as connect
    from jupyter_modelserve.authoring.register import register as register
    from jupyter_modelserve.authoring.tables import log_table as log_table
    from jupyter_modelserve.authoring.tables import table as table
    from jupyter_modelserve.client.checking import check as check
    from jupyter_modelserve.client.governance_verbs import alias as alias
    from jupyter_modelserve.client.governance_verbs import audit as audit
    from jupyter_modelserve.client.governance_verbs import catalogs as catalogs
    from jupyter_modelserve.client.governance_verbs import grants as grants
    from jupyter_modelserve.client.governance_verbs import promote as promote
    from jupyter_modelserve.client.governance_verbs import why_denied as why_denied
    from jupyter_modelserve.client.lineage_verbs import lineage as lineage
    from jupyter_modelserve.client.lineage_verbs import open_lineage as open_lineage
    from jupyter_modelserve.client.records import record as record
    from jupyter_modelserve.client.records import recorded as recorded
    from jupyter_modelserve.client.verbs import endpoints as endpoints
    from jupyter_modelserve.client.verbs import example as example
    from jupyter_modelserve.client.verbs import logs as logs
    from jupyter_modelserve.client.verbs import models as models
    from jupyter_modelserve.client.verbs import score as score
    from jupyter_modelserve.client.verbs import serve as serve
    from jupyter_modelserve.client.verbs import size_for as size_for
    from jupyter_modelserve.client.verbs import snippet as snippet
    from jupyter_modelserve.client.verbs import status as status
    from jupyter_modelserve.client.verbs import stop as stop

    __version__: str

__all__ = [
    "__version__",
    "alias",
    "audit",
    "catalogs",
    "check",
    "connect",
    "endpoints",
    "example",
    "grants",
    "lineage",
    "load_ipython_extension",
    "log_table",
    "logs",
    "models",
    "open_lineage",
    "promote",
    "record",
    "recorded",
    "register",
    "score",
    "serve",
    "size_for",
    "snippet",
    "status",
    "stop",
    "table",
    "unload_ipython_extension",
    "update_requirements",
    "why_denied",
]

_VERBS = "jupyter_modelserve.client.verbs"
_GOVERNANCE_VERBS = "jupyter_modelserve.client.governance_verbs"
_WHERE = {
    "check": "jupyter_modelserve.client.checking",
    "connect": "jupyter_modelserve.authoring.connection",
    "update_requirements": "jupyter_modelserve.authoring.checks",
    "register": "jupyter_modelserve.authoring.register",
    **dict.fromkeys(("log_table", "table"), "jupyter_modelserve.authoring.tables"),
    **dict.fromkeys(("lineage", "open_lineage"), "jupyter_modelserve.client.lineage_verbs"),
    **dict.fromkeys(("record", "recorded"), "jupyter_modelserve.client.records"),
    **dict.fromkeys(("endpoints", "example", "logs", "models", "score", "serve", "size_for"), _VERBS),
    **dict.fromkeys(("snippet", "status", "stop"), _VERBS),
    **dict.fromkeys(("alias", "audit", "catalogs", "grants", "promote", "why_denied"), _GOVERNANCE_VERBS),
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("jupyter-modelserve")
        except PackageNotFoundError:
            return "0+source"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext jupyter_modelserve``: adds the magics and starts the local instance in the background."""
    from jupyter_modelserve.magics import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """``%unload_ext jupyter_modelserve``: takes the magics and their completion away again."""
    from jupyter_modelserve.magics import unload

    unload(ipython)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the built panel in a development install."""
    return [{"src": "labextension", "dest": "jupyter-modelserve"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Which server extension Jupyter Server loads; imported here because only a Jupyter server calls this."""
    from jupyter_modelserve.lab import ModelServeExtension

    return [{"module": "jupyter_modelserve.lab", "app": ModelServeExtension}]
