"""Completes models, aliases, endpoints and options after our magics, also in ``x = %score …`` and ``%%score``.

Never waits for the network: names are kept for some seconds and fetched by a thread; the first TAB waits at most 80 ms.
It never starts an instance.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from jupyter_modelserve.client import session
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.types import Endpoint, Model

_FRESH_SECONDS: Final = 3.0
_PATIENCE_SECONDS: Final = 0.08
_LINE: Final = re.compile(r"%{1,2}(register|serve|score|logs|stop|alias|promote|why_denied)\s+(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Known:
    """What there is to complete."""

    models: tuple[Model, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    def references(self, kind: str) -> list[str]:
        """Completions of the first argument of a magic."""
        endpoints = [each.spec.name for each in self.endpoints]
        if kind in {"logs", "stop"}:
            return sorted(endpoints)
        models = [each.name for each in self.models]
        if kind in {"register", "alias", "why_denied"}:
            return sorted(models)
        full = [f"{each.name}@{alias}" for each in self.models for alias in each.aliases]
        full += [f"{each.name}/{version.version}" for each in self.models for version in each.versions]
        return sorted({*models, *full, *(endpoints if kind == "score" else ())})


class Names:
    """Fetches names in the background and keeps them."""

    def __init__(self) -> None:
        self._known = Known()
        self._at = 0.0
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None

    def get(self) -> Known:
        """What is known now; refreshed behind the user's back."""
        with self._lock:
            if time.monotonic() - self._at > _FRESH_SECONDS and (self._running is None or not self._running.is_alive()):
                self._running = threading.Thread(target=self._fetch, name="modelserve-names", daemon=True)
                self._running.start()
            thread = self._running
        if thread is not None and not self._at:
            thread.join(_PATIENCE_SECONDS)
        return self._known

    def _fetch(self) -> None:
        try:
            client: Client = session.current(start=False)
            self._known = Known(tuple(client.models()), tuple(client.endpoints()))
            self._at = time.monotonic()
        except (ModelServeError, OSError):
            self._at = 0.0


class Completion:
    """An IPython matcher; :meth:`install` and :meth:`remove` manage it."""

    def __init__(self, shell: Any, names: Names | None = None) -> None:
        self.shell = shell
        self.names = names or Names()

    @classmethod
    def install(cls, shell: Any) -> Completion:
        """Add the matcher once."""
        from IPython.core.completer import context_matcher

        cls.remove(shell)
        completion = cls(shell)

        @context_matcher(identifier="jupyter_modelserve")  # type: ignore[untyped-decorator, unused-ignore]
        def matcher(context: Any) -> Any:
            from IPython.core.completer import SimpleCompletion

            found = completion.complete(context.line_with_cursor[: context.cursor_position], context.token)
            return {"completions": [SimpleCompletion(each, type="model") for each in found], "suppress": bool(found)}

        shell.Completer.custom_matchers.append(matcher)
        return completion

    @staticmethod
    def remove(shell: Any) -> None:
        """Take the matcher away again."""
        matchers = shell.Completer.custom_matchers
        matchers[:] = [each for each in matchers if getattr(each, "matcher_identifier", "") != "jupyter_modelserve"]

    def complete(self, line: str, token: str) -> list[str]:
        """Completions for *line* up to the cursor, whose last piece (as IPython cuts it) is *token*."""
        found = _LINE.search(line)
        if not found:
            return []
        kind, rest = found.groups()
        words = rest.split()
        current = "" if not words or rest[-1:].isspace() else words[-1]
        if current.startswith("-"):
            return [each for each in self._options(kind) if each.startswith(current)]
        before = words[:-1] if current else words
        if [each for each in before if not each.startswith("-")]:
            return []
        cut = len(current) - len(token) if current.endswith(token) else 0
        return [each[cut:] for each in self.names.get().references(kind) if each.startswith(current)]

    def _options(self, kind: str) -> list[str]:
        magic = self.shell.find_line_magic(kind)
        parser = getattr(getattr(magic, "__func__", magic), "parser", None)
        return sorted(option for action in getattr(parser, "_actions", ()) for option in action.option_strings)
