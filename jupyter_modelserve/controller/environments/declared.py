"""The words of this package: what a model declares about the environment it needs."""

from __future__ import annotations

import hashlib
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MLFLOW = frozenset({"mlflow", "mlflow-skinny"})
"""Either gives the worker ``mlflow.pyfunc``."""


@dataclass(frozen=True)
class Entry:
    """One requirement.

    ``text`` is what an installer gets (local paths absolute, hashes included); ``name`` is canonical, or empty when
    only a build would tell; ``requirement`` is there for plain requirements, which alone can be judged by looking at
    what is installed; ``local`` is a file or directory that the requirement names.
    """

    text: str
    name: str = ""
    requirement: Requirement | None = None
    local: Path | None = None
    shown: str = ""

    @property
    def normal(self) -> str:
        """The same for two spellings of one plain requirement."""
        if self.requirement is None:
            return self.shown or self.text
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        specifier = ",".join(sorted(str(each) for each in self.requirement.specifier))
        marker = f"; {self.requirement.marker}" if self.requirement.marker else ""
        return f"{self.name}{extras}{specifier}{marker}"


@dataclass(frozen=True)
class Options:
    """Options of a requirements file that change where packages come from or in what form."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    require_hashes: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """All that a model declares: Python (as written, e.g. ``3.10.11``), requirements, constraints, options.

    ``build`` are requirements of the environment itself (setuptools): installed in a build, not asked of a borrowed
    interpreter.
    """

    python: str
    entries: tuple[Entry, ...]
    constraints: tuple[Entry, ...] = ()
    options: Options = field(default_factory=Options)
    warnings: tuple[str, ...] = ()
    build: tuple[Entry, ...] = ()

    @property
    def minor(self) -> str:
        """Minor version of Python, e.g. ``3.10``."""
        return ".".join(self.python.split(".")[:2])

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of everything that is declared by name."""
        return frozenset(each.name for each in self.entries if each.name)


def content_key(declared: Declared) -> str:
    """32 hexadecimal digits that are equal for environments with equal content (architecture §6).

    Platform, Python minor, normalised sorted requirements and constraints, and the content of local wheels.
    Reads the local files: call it in a thread.
    """
    lines = [f"python {declared.minor}", f"platform {sys.platform} {platform.machine()}"]
    lines += sorted({f"require {_identified(each)}" for each in declared.entries})
    lines += sorted({f"constrain {_identified(each)}" for each in declared.constraints})
    lines += sorted({f"build {each.normal}" for each in declared.build})
    options = declared.options
    lines += [f"option {each}" for each in (options.index_url, *options.extra_index_urls, *options.lines) if each]
    lines += ["option --pre"] if options.pre else []
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _identified(entry: Entry) -> str:
    if entry.local is None:
        return entry.normal
    return f"{entry.local.name} {_content(entry.local)}"


def _content(path: Path) -> str:
    if path.is_dir():
        from jupyter_modelserve.controller.digests import digest

        return digest(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain(text: str) -> Entry:
    """An entry of ours, made from a plain requirement.

    Raises:
        packaging.requirements.InvalidRequirement: *text* is none.
    """
    requirement = Requirement(text)
    return Entry(text, canonicalize_name(requirement.name), requirement)
