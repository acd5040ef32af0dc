"""Result objects of the Python API and the magics: a served endpoint, lists, logs, snippets, the instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jupyter_modelserve.client.cards import card
from jupyter_modelserve.client.display import Rich, escape, html_table, text_table, told, when
from jupyter_modelserve.client.progress import failed_versions
from jupyter_modelserve.types import (
    Endpoint,
    EndpointStatus,
    InstanceStatus,
    Model,
    ServiceState,
    UpdateState,
    VersionStatus,
    to_json,
)

T = TypeVar("T")


def version_row(each: VersionStatus) -> tuple[object, ...]:
    """One served version: model, version, state, verdict of the probe, environment, labels."""
    state = each.state.value + (f": {each.failure.cause}" if each.failure else "")
    environment = f"{each.environment.kind} Python {each.environment.python_version}" if each.environment else ""
    return each.model, each.version, state, each.verdict or "", environment, ", ".join(each.labels)


def reason(status: EndpointStatus) -> str:
    """Why an endpoint is as it is: what became of the last change when that failed, else what it is doing."""
    if status.update is UpdateState.UPDATE_FAILED and status.update_message:
        return status.update_message
    return status.service_message or status.update_message


VERSION_HEAD = ("model", "version", "state", "probe", "environment", "labels")


@dataclass(frozen=True, repr=False)
class ServedEndpoint(Rich):
    """What ``serve`` returns: the endpoint as it is now, its addresses and how long it took (seconds)."""

    endpoint: Endpoint
    urls: tuple[str, ...]
    elapsed: float

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.endpoint.spec.name

    @property
    def url(self) -> str:
        """The address to score."""
        return self.urls[0]

    @property
    def state(self) -> str:
        """What serves now: PENDING, READY or FAILED."""
        return self.endpoint.status.service.value

    def _warnings(self) -> list[str]:
        failed = [
            f"{each.model} version {each.version} failed: {told(each.failure.message, each.failure.hint)}"
            for each in failed_versions(self.endpoint)
            if each.failure
        ]
        found = (each.environment.warnings for each in self.endpoint.status.versions if each.environment)
        return failed + [warning for some in found for warning in some]

    def text(self) -> str:
        """State, versions and addresses."""
        status = self.endpoint.status
        lines = [f"{self.name}: {status.service.value} after {self.elapsed:.1f} s ({status.update.value})"]
        lines.append(text_table(VERSION_HEAD, [version_row(each) for each in status.versions]))
        return "\n".join(lines + [f"warning: {each}" for each in self._warnings()] + list(self.urls))

    def html(self) -> str:
        """State, versions and addresses."""
        status = self.endpoint.status
        head = f"<b>{escape(self.name)}</b>: {status.service.value} after {self.elapsed:.1f} s ({status.update.value})"
        table = html_table(VERSION_HEAD, [version_row(each) for each in status.versions])
        notes = "".join(f"<div>⚠ {escape(each)}</div>" for each in self._warnings())
        return (
            f"<div>{head}{table}{notes}" + "".join(f"<div><code>{escape(u)}</code></div>" for u in self.urls) + "</div>"
        )

    def card(self) -> dict[str, str]:
        """The endpoint, live."""
        return card("endpoint", self.name)

    def json(self) -> dict[str, Any]:
        """The endpoint as the API shows it."""
        return {
            "kind": "endpoint",
            "endpoint": to_json(self.endpoint),
            "urls": list(self.urls),
            "elapsed": round(self.elapsed, 3),
        }


class _Table(Rich, Sequence[T], Generic[T]):
    kind: str = ""
    head: tuple[str, ...] = ()
    empty: str = ""

    def __init__(self, items: Sequence[T]) -> None:
        self._items = tuple(items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def row(self, item: T) -> tuple[object, ...]:
        """The cells of one item."""
        raise NotImplementedError

    def text(self) -> str:
        """One line per item."""
        return text_table(self.head, [self.row(each) for each in self]) if self else self.empty

    def html(self) -> str:
        """A table with one row per item."""
        return html_table(self.head, [self.row(each) for each in self]) if self else f"<i>{escape(self.empty)}</i>"

    def json(self) -> dict[str, Any]:
        """The items as the API shows them."""
        return {"kind": self.kind, self.kind: to_json(self._items)}


class ModelList(_Table[Model]):
    """Registered models with their newest version and aliases."""

    kind = "models"
    head = ("model", "versions", "newest", "aliases", "stages", "updated")
    empty = "No model is registered yet; begin with %register."

    def row(self, item: Model) -> tuple[object, ...]:
        """Name, number of versions, newest version, aliases, stages, time of the last change."""
        stages = [f"{each.stage}={each.version}" for each in item.versions if each.stage not in {"None", ""}]
        aliases = [f"{alias}={version}" for alias, version in sorted(item.aliases.items())]
        newest = item.versions[0].version if item.versions else ""
        return item.name, len(item.versions), newest, ", ".join(aliases), ", ".join(stages), when(item.updated_at)

    def card(self) -> dict[str, str]:
        """All models, live."""
        return card(self.kind)


class EndpointList(_Table[Endpoint]):
    """Endpoints with what they serve."""

    kind = "endpoints"
    head = ("endpoint", "state", "change", "serves", "versions ready")
    empty = "Nothing is served yet; begin with %serve."

    def row(self, item: Endpoint) -> tuple[object, ...]:
        """Name, service state, state of the change, selectors, versions that answer."""
        serves = ", ".join(f"{each.model} {each.selector}" for each in item.spec.entities)
        ready = ", ".join(f"{each.model}/{each.version}" for each in item.status.versions if each.serving)
        change = "stopping" if item.deleting else item.status.update.value
        return item.spec.name, item.status.service.value, change, serves, ready

    def _reasons(self) -> list[str]:
        """Below the table, where a sentence has room: only of those that failed."""
        bad = [
            each
            for each in self
            if ServiceState.FAILED is each.status.service or UpdateState.UPDATE_FAILED is each.status.update
        ]
        return [f"{each.spec.name}: {why}" for each in bad if (why := reason(each.status))]

    def text(self) -> str:
        """One line per endpoint, and why, of those that failed."""
        return "\n".join([super().text(), *self._reasons()])

    def html(self) -> str:
        """The same as a table with lines below it."""
        notes = "".join(f"<div>⚠ {escape(each)}</div>" for each in self._reasons())
        return f"<div>{super().html()}{notes}</div>" if notes else super().html()

    def card(self) -> dict[str, str]:
        """All endpoints, live."""
        return card(self.kind)


@dataclass(frozen=True, repr=False)
class Text(Rich):
    """Text with a title: logs, a message, a ready-made client. ``str()`` gives the text itself."""

    kind: str
    content: str
    title: str = ""

    def __str__(self) -> str:
        return self.content

    def text(self) -> str:
        """The content as it is."""
        return self.content

    def html(self) -> str:
        """The content as preformatted text."""
        title = f"<div><b>{escape(self.title)}</b></div>" if self.title else ""
        return f"<div>{title}<pre>{escape(self.content)}</pre></div>"

    def json(self) -> dict[str, Any]:
        """Title and content."""
        return {"kind": self.kind, "title": self.title, "content": self.content}


@dataclass(frozen=True, repr=False)
class InstanceView(Rich):
    """The instance as one thing."""

    status: InstanceStatus

    def _rows(self) -> list[tuple[object, ...]]:
        daemons = ("gateway", "controller", "mlflow")
        return [
            (name, getattr(self.status, name).state, when(getattr(self.status, name).started_at)) for name in daemons
        ]

    def text(self) -> str:
        """Address, version, number of endpoints and the state of each part."""
        line = f"{self.status.url} (version {self.status.version}, {self.status.endpoints} endpoints)"
        return f"{line}\n{text_table(('part', 'state', 'since'), self._rows())}"

    def html(self) -> str:
        """The same as a table."""
        line = f"<code>{escape(self.status.url)}</code> (version {escape(self.status.version)})"
        return f"<div>{line}{html_table(('part', 'state', 'since'), self._rows())}</div>"

    def json(self) -> dict[str, Any]:
        """The status as the API shows it."""
        return {"kind": "status", "status": to_json(self.status)}
