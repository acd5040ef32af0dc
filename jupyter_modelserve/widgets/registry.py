"""The registry browser: catalogs, models, versions, who may do what with them, and where they come from.

It shows what the viewer may see and changes nothing. Parts that cost a question of their own (rights, lineage, history)
are asked for when they are opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import ipywidgets

from jupyter_modelserve.client import session
from jupyter_modelserve.client.lineage_results import LineageView
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import ModelServeError, PermissionDenied
from jupyter_modelserve.governed import Catalog, Principal
from jupyter_modelserve.types import Endpoint, Model
from jupyter_modelserve.widgets import pages
from jupyter_modelserve.widgets import registry_parts as parts
from jupyter_modelserve.widgets.live import LiveView
from jupyter_modelserve.widgets.style import STYLE, view

_ALL: Final = "all"
_WIDE: Final = ipywidgets.Layout(width="calc(100% - 4px)")


@dataclass(frozen=True)
class _Seen:
    """One look at the registry."""

    me: Principal
    catalogs: list[Catalog]
    models: dict[str, Model]
    endpoints: list[Endpoint]


class RegistryBrowser(LiveView):
    """Browses the registry, and looks again every *interval* seconds until :meth:`close` or the end of the kernel.

    Args:
        model: which model first; else ``model=`` (and ``version=``) of the page's query, else the first.
        interval: seconds between two looks; 0 looks only when :meth:`refresh` is called.
        client: which instance; the kernel's own by default. The viewer has this client's rights.
    """

    def __init__(self, model: str = "", interval: float = 5.0, client: Client | None = None) -> None:
        self._client = client or session.current()
        self._seen: _Seen | None = None
        self._filling = False
        self._head, self._about = ipywidgets.HTML(), ipywidgets.HTML()
        self._search = ipywidgets.Text(placeholder="search", tooltip="Name or alias of a model", layout=_WIDE)
        self._catalog = ipywidgets.Dropdown(options=[_ALL], tooltip="Catalog", layout=_WIDE)
        self._models = ipywidgets.Select(rows=12, tooltip="Model", layout=_WIDE)
        self._versions = ipywidgets.Dropdown(description="Version")
        self._pages: dict[str, Callable[[], str]] = {
            "Version": self._version,
            "Lineage": self._lineage,
            "Who may": self._rights,
            "History": self._history,
        }
        self._tabs = ipywidgets.Tab(children=[ipywidgets.HTML() for _ in self._pages], titles=tuple(self._pages))
        top = ipywidgets.HTML(STYLE + view(pages.navigation(pages.REGISTRY)))
        super().__init__([top, self._head, self._body()], interval)
        self._wanted = model or pages.asked("model"), pages.asked("version")
        self._listen()
        self.refresh()
        self._wanted = "", ""
        self._begin()

    def _body(self) -> ipywidgets.Box:
        left = ipywidgets.VBox([self._search, self._catalog, self._models])
        right = ipywidgets.VBox([self._about, self._versions, self._tabs])
        body = ipywidgets.Box([left, right])
        for box, name in ((body, "ms-browser"), (left, "ms-side"), (right, "ms-main")):
            box.add_class(name)
        return body

    def _listen(self) -> None:
        def unless_filling(show: Callable[[], None]) -> Callable[[Any], None]:
            return lambda _: None if self._filling else show()

        for each in (self._search, self._catalog):
            each.observe(unless_filling(self._offer), names="value")
        self._models.observe(unless_filling(self._show_model), names="value")
        self._versions.observe(unless_filling(self._show_page), names="value")
        self._tabs.observe(unless_filling(self._show_page), names="selected_index")

    async def _again(self) -> None:
        self._take(await asyncio.to_thread(self._look))

    def refresh(self) -> None:
        """Look now."""
        self._take(self._look())

    def _look(self) -> _Seen | ModelServeError:
        try:
            return _Seen(
                self._client.me(),
                self._client.catalogs(),
                {each.name: each for each in self._client.models()},
                self._client.endpoints(),
            )
        except ModelServeError as error:
            return error

    def _take(self, found: _Seen | ModelServeError) -> None:
        if isinstance(found, ModelServeError):
            # What was seen stays; that it is old is said above it.
            self._head.value = view("<h2>Registry</h2>" + parts.problem(found.message))
            return
        before, self._seen = self._seen, found
        models = list(found.models.values())
        served = {(each.model, each.version) for one in found.endpoints for each in one.status.versions if each.serving}
        self._head.value = view(parts.head(self._client.url, found.me, found.catalogs, models, len(served)))
        known = {each.name for each in found.catalogs} | {parts.catalog_of(each.name) for each in models}
        self._fill(self._catalog, [_ALL, *sorted(known)])
        name = self._models.value
        self._offer()
        if name is None or name != self._models.value:
            return  # another model was shown just now
        if before and before.models.get(name) != found.models.get(name):
            self._show_model()
        else:
            self._about.value = view(parts.model(found.models[name], found.endpoints))

    def _offer(self) -> None:
        """The models that search and catalog leave."""
        if self._seen is None:
            return
        text, catalog = str(self._search.value).strip().lower(), self._catalog.value
        names = [
            each.name
            for each in sorted(self._seen.models.values(), key=lambda each: each.name)
            if catalog in (_ALL, parts.catalog_of(each.name)) and text in " ".join((each.name, *each.aliases)).lower()
        ]
        if self._fill(self._models, names, self._wanted[0]):
            self._show_model()
        if not names:
            self._nothing()

    def _nothing(self) -> None:
        text = "Nothing here fits the search." if self._seen and self._seen.models else "No model that you may see."
        self._about.value = view(f'<div class="ms-note">{text}</div>')
        self._versions.layout.display = self._tabs.layout.display = "none"

    def _show_model(self) -> None:
        found = self._seen.models.get(self._models.value) if self._seen else None
        if found is None or self._seen is None:
            return
        self._versions.layout.display = self._tabs.layout.display = None if found.versions else "none"
        self._about.value = view(parts.model(found, self._seen.endpoints))
        self._fill(self._versions, [each.version for each in found.versions], self._wanted[1])
        self._show_page()

    def _show_page(self) -> None:
        """The open tab of the chosen version; the others are asked for when they are opened."""
        index = self._tabs.selected_index or 0
        if self._models.value is None or self._versions.value is None:
            return
        try:
            shown = list(self._pages.values())[index]()
        except ModelServeError as error:
            shown = parts.problem(error.message)
        self._tabs.children[index].value = view(shown)

    def _version(self) -> str:
        assert self._seen is not None
        model = self._seen.models[self._models.value]
        found = next(each for each in model.versions if each.version == self._versions.value)
        return parts.version(found, self._client.detail(found.model, found.version))

    def _lineage(self) -> str:
        name, version = self._models.value, self._versions.value
        return LineageView(f"{name} {version}", self._client.lineage(name, version)).html()

    def _rights(self) -> str:
        name = self._models.value
        try:
            return parts.rights(self._client.effective("FUNCTION", name))
        except PermissionDenied as error:
            assert self._seen is not None
            own = self._client.effective("FUNCTION", name, self._seen.me.name)
            return parts.rights(own, f"Your own rights only. {error.message}")

    def _history(self) -> str:
        return parts.history(self._client.audit("FUNCTION", self._models.value, limit=1000))

    def _fill(self, choice: Any, options: list[str], wanted: str = "") -> bool:
        """Offer *options* and keep what was chosen when it is still there; whether something else is chosen now."""
        before = choice.value
        value = next((each for each in (wanted, before) if each in options), options[0] if options else None)
        if list(choice.options) == options and value == before:
            return False
        self._filling = True  # a widget with new options chooses the first for a moment
        try:
            choice.options = options
            choice.value = value
        finally:
            self._filling = False
        return bool(value != before)
