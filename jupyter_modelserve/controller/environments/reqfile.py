"""Read a requirements.txt as pip does: includes, constraints, options, hashes, markers, wheels beside the model.

Every path is made absolute and must lie inside the model, so that what is installed does not depend on where the
installer runs, and a model cannot make us read other files.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.declared import Entry, Options
from jupyter_modelserve.controller.environments.redaction import redact
from jupyter_modelserve.types import Cause, Failure

_COMMENT = re.compile(r"(^|\s+)#.*$")
_PER_REQUIREMENT = re.compile(r"\s--?[A-Za-z]")
_VCS = re.compile(r"^(git|hg|svn|bzr)\+")
_PATH_EXTRAS = re.compile(r"^(?P<path>.+?)(?P<extras>\[[^\]]*\])?$")
_VALUED = {
    "-r": "include", "--requirement": "include", "-c": "constrain", "--constraint": "constrain",
    "-e": "editable", "--editable": "editable", "-i": "index", "--index-url": "index", "--pypi-url": "index",
    "--extra-index-url": "extra", "-f": "links", "--find-links": "links", "--trusted-host": "trust",
    "--no-binary": "line", "--only-binary": "line", "--use-feature": "ignore",
}  # fmt: skip
_BARE = {"--no-index": "no-index", "--pre": "pre", "--require-hashes": "hashes", "--prefer-binary": "ignore"}
_DEEPEST = 10


@dataclass
class Collected:
    """What the lines add up to, before it becomes a :class:`Declared`."""

    entries: list[Entry] = field(default_factory=list)
    constraints: list[Entry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    index_url: str = ""
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    no_index: bool = False
    pre: bool = False
    require_hashes: bool = False

    def options(self) -> Options:
        """The options as one immutable value."""
        return Options(
            index_url=self.index_url,
            extra_index_urls=tuple(self.extra_index_urls),
            find_links=tuple(self.find_links),
            trusted_hosts=tuple(self.trusted_hosts),
            no_index=self.no_index,
            pre=self.pre,
            require_hashes=self.require_hashes,
            lines=tuple(self.lines),
        )


class Reader:
    """Reads requirement lines of the model in *root* (an absolute, resolved path)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found = Collected()

    def read_file(self, path: Path, *, constraint: bool = False, depth: int = 0) -> None:
        """Read a requirements or constraints file, with what it includes.

        Raises:
            EnvironmentFailed: a line that cannot be honoured; names file and line.
        """
        if depth > _DEEPEST:
            raise unsupported(f"{path.name} includes itself", "Remove the circular -r line and log the model again.")
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            raise unsupported(
                f"{self.shown(path)} cannot be read as a UTF-8 text file of the model",
                "Log the model again with every requirements file packaged, or with the requirements in a list.",
            ) from None
        for number, line in _logical_lines(text):
            self.read_line(line, f"{self.shown(path)} line {number}", path.parent, constraint=constraint, depth=depth)

    def read_line(self, line: str, where: str, base: Path, *, constraint: bool = False, depth: int = 0) -> None:
        """Read one line; *where* names it in errors, *base* is what an include is relative to."""
        if line.startswith("-"):
            self._option(line, where, base, constraint=constraint, depth=depth)
            return
        entry = self._requirement(line, where)
        (self.found.constraints if constraint else self.found.entries).append(entry)

    def shown(self, path: Path) -> str:
        """*path* as its owner knows it: relative to the model."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name

    # ------------------------------------------------------------------------------------------------ options
    def _option(self, line: str, where: str, base: Path, *, constraint: bool, depth: int) -> None:
        try:
            words = shlex.split(line)
        except ValueError:
            raise _bad_line(line, where) from None
        while words:
            name, glued, value = words.pop(0).partition("=")
            if name[:2] in {"-r", "-c", "-e", "-i", "-f"} and len(name) > 2 and not name.startswith("--"):
                name, value, glued = name[:2], f"{name[2:]}{glued}{value}", "="
            if name in _BARE and not glued:
                self._switch(_BARE[name])
            elif name in _VALUED and (glued or words):
                self._value(_VALUED[name], name, value if glued else words.pop(0), where, base, constraint, depth)
            else:
                raise _bad_line(line, where)

    def _switch(self, kind: str) -> None:
        self.found.no_index |= kind == "no-index"
        self.found.pre |= kind == "pre"
        self.found.require_hashes |= kind == "hashes"

    def _value(self, kind: str, name: str, value: str, where: str, base: Path, constraint: bool, depth: int) -> None:
        match kind:
            case "include" | "constrain":
                path = self._inside(base / value, value, where)
                self.read_file(path, constraint=constraint or kind == "constrain", depth=depth + 1)
            case "editable":
                entry = self._requirement(value, where)
                self.found.entries.append(Entry(f"-e {entry.text}", local=entry.local, shown=f"-e {entry.normal}"))
            case "index":
                self.found.index_url = value
            case "extra":
                self.found.extra_index_urls.append(value)
            case "links":
                is_path = "://" not in value and not Path(value).is_absolute()
                self.found.find_links.append(str(self._inside(base / value, value, where)) if is_path else value)
            case "trust":
                self.found.trusted_hosts.append(value)
            case "line":
                self.found.lines.append(f"{name} {value}")

    # ------------------------------------------------------------------------------------------------ requirements
    def _requirement(self, line: str, where: str) -> Entry:
        split = _PER_REQUIREMENT.search(line)
        body, tail = (line[: split.start()].strip(), line[split.start() :]) if split else (line, "")
        try:
            requirement = Requirement(body)
        except InvalidRequirement:
            return self._path_or_url(body, tail, where)
        name = canonicalize_name(requirement.name)
        if requirement.url is None:
            return Entry(f"{body}{tail}", name, requirement)
        if requirement.url.startswith("file:"):
            return self._named_file(requirement, name, where)
        return Entry(f"{body}{tail}", name, shown=redact(body))

    def _named_file(self, requirement: Requirement, name: str, where: str) -> Entry:
        path = Path(unquote(urlsplit(requirement.url or "").path))
        local = self._local(path, str(path), where)
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        return Entry(f"{requirement.name}{extras} @ {local.as_uri()}{marker}", name, local=local, shown=local.name)

    def _path_or_url(self, body: str, tail: str, where: str) -> Entry:
        place, _, marker = (part.strip() for part in body.partition(" ;"))
        marker = f" ; {marker}" if marker else ""
        if place.startswith("file:"):
            place = unquote(urlsplit(place).path)
        if _VCS.match(place) or "://" in place:
            return Entry(f"{place}{marker}{tail}", _wheel_name(place), shown=redact(place))
        match = _PATH_EXTRAS.match(place)
        assert match is not None
        path, extras = match["path"], match["extras"] or ""
        if not ("/" in path or path.endswith((".whl", ".tar.gz", ".zip")) or path == "."):
            raise _bad_line(body, where)
        local = self._local(self.root / path, path, where)
        name = _wheel_name(local.name)
        text = f"{name}{extras} @ {local.as_uri()}" if name else f"{local}{extras}"
        return Entry(f"{text}{marker}{tail}", name, local=local, shown=f"{path}{extras}")

    def _local(self, path: Path, shown: str, where: str) -> Path:
        if Path(shown).is_absolute() and not path.resolve().is_relative_to(self.root):
            return self._elsewhere(path, shown, where)
        return self._inside(path, shown, where)

    def _elsewhere(self, path: Path, shown: str, where: str) -> Path:
        if not path.is_file():
            raise _not_packaged(shown, where)
        self.found.warnings.append(
            f"{shown} is taken from this machine, not from the model, and may be gone or changed tomorrow; package it "
            f"with the model: mlflow.models.add_libraries_to_model(...)"
        )
        return path

    def _inside(self, path: Path, shown: str, where: str) -> Path:
        real = path.resolve()
        if not real.is_relative_to(self.root):
            raise unsupported(f"{where}: {shown} leads out of the model", "Package the file with the model.")
        if not real.exists():
            raise _not_packaged(shown, where)
        return real


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = "" if not pending and raw.lstrip().startswith("#") else raw
        start = start if pending else number
        if line.endswith("\\") and not _COMMENT.search(line):
            pending += line[:-1].strip() + " "
            continue
        joined = _COMMENT.sub("", pending + line.strip()).strip()
        pending = ""
        if joined:
            yield start, joined
    if pending.strip():
        yield start, pending.strip()


def _wheel_name(place: str) -> str:
    last = unquote(urlsplit(place).path if "://" in place else place).rsplit("/", 1)[-1]
    try:
        return str(parse_wheel_filename(last)[0])
    except InvalidWheelFilename:
        return ""


def unsupported(message: str, hint: str) -> EnvironmentFailed:
    """The failure for what cannot be honoured, with the remedy."""
    return EnvironmentFailed(Failure(Cause.REQUIREMENT_UNSUPPORTED, redact(message), redact(hint)))


def _bad_line(line: str, where: str) -> EnvironmentFailed:
    return unsupported(
        f"{where}: {line[:120]!r} is not a requirement or option that can be honoured",
        "Correct it and log the model again; "
        "mlflow.models.update_model_requirements(...) changes the requirements of a logged model.",
    )


def _not_packaged(shown: str, where: str) -> EnvironmentFailed:
    return unsupported(
        f"{where}: {shown} is not among the model's files",
        "Package private libraries with the model before it is served: "
        "mlflow.models.add_libraries_to_model(...) puts wheels beside it.",
    )
