"""Reads YAML (or JSON) without losing where each value stands, so that a mistake is told with file, line and field.

A key that comes twice is refused: YAML's own readers keep the last one and say nothing. Errors name places and never
values, of which one may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from jupyter_modelserve.errors import InvalidParameter

ENDINGS: Final = (".yaml", ".yml", ".json")
_YAML: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset(
    f"{_YAML}{each}" for each in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
LARGEST: Final = 1024 * 1024
"""Bytes of a file; a specification has a few hundred. Aliases of YAML can make a small file large: there are none."""
DEEPEST: Final = 32
"""Levels of a document; a specification has four. YAML's reader takes a minute for 20 KB of brackets."""
_NUMBERS: Final = {
    f"{_YAML}int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    f"{_YAML}float": re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"),
}
"""What every version of YAML reads as the same number: 010 is eight in one and ten in another."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its plain values, and the line of each by its dotted path (``entities.0.traffic``)."""

    source: str
    value: Any
    lines: dict[str, int] = field(default_factory=dict)

    def where(self, path: str = "") -> str:
        """``file:line`` of *path*, or of the nearest thing around it that the file has."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return f"{self.source}:{self.lines.get(path, 1)}"

    def wrong(self, path: str, problem: str) -> InvalidParameter:
        """The error for a mistake at *path*."""
        text = f"{self.where(path)}: {path}: {problem}" if path else f"{self.where()}: {problem}"
        return InvalidParameter(text, details={"field": path, "file": self.source})


def files(path: Path) -> list[Path]:
    """The files that *path* stands for: itself, or those of a directory, by name and not of those below it.

    Raises:
        InvalidParameter: there is none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix in ENDINGS and each.is_file())
    if not found:
        raise InvalidParameter(f"{path} holds no file that ends in {', '.join(ENDINGS)}")
    return found


def documents(text: str, source: str) -> Iterator[Document]:
    """The documents of a file; empty ones are left out.

    Raises:
        InvalidParameter: it is no YAML, has a key twice or an alias, or is too large or deep; names the line.
    """
    if len(text.encode()) > LARGEST:
        raise InvalidParameter(f"{source}: is larger than {LARGEST // 1024} KiB")
    try:
        _check_shape(text, source)
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if node is not None:
                lines: dict[str, int] = {}
                value = _value(node, "", source, lines)
                if value is not None:
                    yield Document(source, value, lines)
    except yaml.YAMLError as error:
        line = _line(getattr(error, "problem_mark", None))
        problem = getattr(error, "problem", None) or "cannot be read"
        raise InvalidParameter(f"{source}:{line}: this is no YAML: {problem}") from error


def _check_shape(text: str, source: str) -> None:
    """Refuse aliases and what is nested too deeply while it is read, before the reader has followed it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{source}:{_line(event.start_mark)}"
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases are not read; write the value out, or put a text that begins with * in quotes"
            raise InvalidParameter(f"{where}: {problem}")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise InvalidParameter(f"{where}: is nested too deeply; {DEEPEST} levels are the most")


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


def _value(node: yaml.Node, path: str, source: str, lines: dict[str, int]) -> Any:
    lines[path] = _line(node.start_mark)
    if node.tag not in _TAGS:
        raise _wrong(node, path, source, "this tag is not read; put a text that begins with ! in quotes")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, _below(path, str(number)), source, lines) for number, each in enumerate(node.value)]
    return _scalar(node, path, source)


def _mapping(node: yaml.MappingNode, path: str, source: str, lines: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, each in node.value:
        name, line = str(getattr(key, "value", "")), _line(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise InvalidParameter(f"{source}:{line}: a key must be a word")
        if name in found:
            raise InvalidParameter(f"{source}:{line}: {_below(path, name)}: is there twice")
        found[name] = _value(each, _below(path, name), source, lines)
        lines[_below(path, name)] = line
    return found


def _scalar(node: yaml.Node, path: str, source: str) -> Any:
    """Text, number, truth or nothing. A date stays the text that it is written as."""
    if node.tag == f"{_YAML}timestamp":
        return node.value
    if node.tag in _NUMBERS and not _NUMBERS[node.tag].fullmatch(node.value):
        problem = "write a number in plain decimal digits (no 010, 1_000, 1:30 or .inf), and a text in quotes"
        raise _wrong(node, path, source, problem)
    constructor = yaml.SafeLoader("")
    try:
        return constructor.construct_object(node)
    except (ValueError, LookupError) as error:
        raise _wrong(node, path, source, f"cannot be read as {node.tag.removeprefix(_YAML)}") from error
    finally:
        constructor.dispose()


def _wrong(node: yaml.Node, path: str, source: str, problem: str) -> InvalidParameter:
    return Document(source, None, {path: _line(node.start_mark)}).wrong(path, problem)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
