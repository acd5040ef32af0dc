"""The scoring form: any served model tried by hand, with fields made from its signature, its example and a history."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import ipywidgets

from jupyter_modelserve.client import session
from jupyter_modelserve.client.display import escape, html_table
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, ModelServeError
from jupyter_modelserve.widgets import fields, pages
from jupyter_modelserve.widgets.style import STYLE, view

_REMEMBERED = 10


@dataclass(frozen=True)
class Asked:
    """One request of the history."""

    moment: str
    endpoint: str
    texts: tuple[str, ...]
    told: str


class ScoringForm(ipywidgets.VBox):
    """A form for one endpoint at a time.

    Args:
        endpoint: which one first; else ``endpoint=`` of the page's query, else the first that serves.
        client: which instance; the kernel's own by default. The viewer has this client's rights.
    """

    def __init__(self, endpoint: str = "", client: Client | None = None) -> None:
        self._client = client or session.current()
        self._fields: list[fields.Field] = []
        self._history: deque[Asked] = deque(maxlen=_REMEMBERED)
        self._choice = ipywidgets.Dropdown(description="Endpoint")
        self._again = ipywidgets.Dropdown(description="Use again")
        self._send = ipywidgets.Button(description="Score", button_style="primary")
        self._body = ipywidgets.Textarea(rows=8, layout=ipywidgets.Layout(width="calc(100% - 4px)"))
        self._note, self._answer, self._past = (ipywidgets.HTML() for _ in range(3))
        self._grid = ipywidgets.GridBox(
            layout=ipywidgets.Layout(grid_template_columns="repeat(auto-fit, minmax(200px, 1fr))", grid_gap="8px")
        )
        self._send.on_click(self._score)
        parts = [self._choice, self._note, self._grid, self._send, self._answer, self._again, self._past]
        super().__init__([ipywidgets.HTML(STYLE + view(pages.navigation(pages.FORM) + "<h2>Try a model</h2>")), *parts])
        self._offer(endpoint or pages.asked("endpoint"))
        self._choice.observe(self._choose, names="value")
        self._again.observe(self._use_again, names="value")
        self._remember(None)

    def _offer(self, wanted: str) -> None:
        found = [each.spec.name for each in self._client.endpoints()]
        self._choice.options = found
        if not found:
            self._note.value = view('<div class="ms-note">Nothing is served yet; begin with <code>%serve</code>.</div>')
            self._send.disabled = True
            return
        self._choice.value = wanted if wanted in found else found[0]
        self._build(self._choice.value)

    def _choose(self, change: Any) -> None:
        self._answer.value = ""
        self._build(change["new"])

    def _build(self, name: str) -> None:
        """The fields of the version that serves now."""
        try:
            endpoint = self._client.endpoint(name)
            serving = [each for each in endpoint.status.versions if each.serving] or list(endpoint.status.versions)
            if not serving:
                raise InvalidParameter(f"endpoint {name} serves no version yet")
            detail = self._client.detail(serving[0].model, serving[0].version)
        except ModelServeError as error:
            self._note.value = _bad(error.message)
            self._fields, self._grid.children, self._send.disabled = [], (), True
            return
        self._send.disabled = False
        inputs = (detail.get("signature") or {}).get("inputs") or []
        label = f"{serving[0].model} version {serving[0].version}"
        if fields.is_table(inputs):
            row = fields.first_row(detail.get("example"))
            self._fields = [fields.Field(each, row.get(each["name"])) for each in inputs]
            self._grid.children = tuple(self._fields)
            self._note.value = view(f'<div class="ms-note">{escape(label)}; filled with its input example</div>')
        else:
            self._fields = []
            self._body.value = json.dumps(detail.get("example"), indent=1) if detail.get("example") else ""
            self._grid.children = (self._body,)
            self._note.value = view(f'<div class="ms-note">{escape(label)}; it takes no table: a JSON body</div>')

    def _content(self) -> bytes:
        if not self._fields:
            return str(self._body.value).encode()
        row = [each.value() for each in self._fields]
        body = {"dataframe_split": {"columns": [each.name for each in self._fields], "data": [row]}}
        return json.dumps(body).encode()

    def _score(self, _: Any) -> None:
        self._send.disabled = True
        try:
            content = self._content()
            started = time.monotonic()
            answer = self._client.invoke(self._choice.value, content)
            told = json.dumps(answer.predictions, ensure_ascii=False)
            took = f"{(time.monotonic() - started) * 1000:.0f} ms"
            note = f"{answer.model} version {answer.version} · {took}"
            self._answer.value = view(f'<pre class="ms-prediction">{escape(told)}</pre>{escape(note)}')
            self._remember(Asked(time.strftime("%H:%M:%S"), self._choice.value, self._texts(), told[:200]))
        except ModelServeError as error:
            self._answer.value = _bad(error.message)
        finally:
            self._send.disabled = False

    def _texts(self) -> tuple[str, ...]:
        return tuple(each.text for each in self._fields) or (self._body.value,)

    def _remember(self, asked: Asked | None) -> None:
        if asked:
            self._history.appendleft(asked)
        options = [(f"{each.moment} {each.endpoint} → {each.told[:40]}", each) for each in self._history]
        self._again.options = [("", None), *options]
        self._again.layout.display = self._past.layout.display = None if self._history else "none"
        rows = [(each.moment, each.endpoint, ", ".join(each.texts)[:120], each.told[:60]) for each in self._history]
        table = html_table(("time", "endpoint", "request", "answer"), rows)
        self._past.value = view(f'<div class="ms-scroll">{table}</div>')

    def _use_again(self, change: Any) -> None:
        asked: Asked | None = change["new"]
        if asked is None:
            return
        self._answer.value = ""
        if asked.endpoint in self._choice.options:
            self._choice.value = asked.endpoint
        if self._fields and len(self._fields) == len(asked.texts):
            for each, text in zip(self._fields, asked.texts, strict=True):
                each.text = text
        elif not self._fields:
            self._body.value = asked.texts[0]


def _bad(message: str) -> str:
    return view(f'<div class="ms-bad" role="alert">{escape(message)}</div>')
