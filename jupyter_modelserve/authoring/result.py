"""What ``register`` returns: the version with its signature, and everything the user should know about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jupyter_modelserve.client.display import Rich, escape, html_table, text_table

SIGNATURE_HEAD = ("part", "name", "type", "required")


@dataclass(frozen=True, repr=False)
class RegisteredVersion(Rich):
    """A registered version. ``signature`` rows are (input or output, name, type, required); ``elapsed`` in seconds.

    ``verdict`` is what the check before registration said, when there was one.
    """

    name: str
    version: str
    aliases: tuple[str, ...] = ()
    run_id: str = ""
    model_id: str = ""
    flavor: str = ""
    signature: tuple[tuple[str, str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    verdict: str = ""
    elapsed: float = field(default=0.0, compare=False)

    @property
    def uri(self) -> str:
        """``models:/name/version``, which MLflow and ``%serve`` understand."""
        return f"models:/{self.name}/{self.version}"

    @property
    def reference(self) -> str:
        """What ``%serve`` and ``%score`` take: ``name@alias`` or ``name/version``."""
        return f"{self.name}@{self.aliases[0]}" if self.aliases else f"{self.name}/{self.version}"

    def _headline(self) -> str:
        aliases = "".join(f" @{alias}" for alias in self.aliases)
        return f"{self.name} version {self.version}{aliases} registered in {self.elapsed:.1f} s"

    def text(self) -> str:
        """Name, version, aliases, signature, warnings."""
        lines = [self._headline(), *([f"check: {self.verdict}"] if self.verdict else [])]
        if self.signature:
            lines.append(text_table(SIGNATURE_HEAD, self.signature))
        return "\n".join(lines + [f"warning: {each}" for each in self.warnings])

    def html(self) -> str:
        """The same with a table."""
        table = html_table(SIGNATURE_HEAD, self.signature) if self.signature else ""
        verdict = f"<div>check: {escape(self.verdict)}</div>" if self.verdict else ""
        notes = "".join(f"<div>⚠ {escape(each)}</div>" for each in self.warnings)
        return f"<div><b>{escape(self._headline())}</b>{verdict}{table}{notes}</div>"

    def json(self) -> dict[str, Any]:
        """Everything but the object itself."""
        return {
            "kind": "version",
            "name": self.name,
            "version": self.version,
            "uri": self.uri,
            "aliases": list(self.aliases),
            "run_id": self.run_id,
            "model_id": self.model_id,
            "flavor": self.flavor,
            "signature": [list(row) for row in self.signature],
            "requirements": list(self.requirements),
            "warnings": list(self.warnings),
            "check": self.verdict,
            "elapsed": round(self.elapsed, 3),
        }


def signature_rows(signature: Any) -> tuple[tuple[str, str, str, str], ...]:
    """The rows of an MLflow ``ModelSignature``; tensors show dtype and shape."""
    if signature is None:
        return ()
    rows: list[tuple[str, str, str, str]] = []
    for part, schema in (("input", signature.inputs), ("output", signature.outputs)):
        for number, spec in enumerate(schema.inputs if schema is not None else ()):
            kind = getattr(spec, "type", None)
            shape = getattr(spec, "shape", None)
            label = f"{kind} {tuple(shape)}" if shape is not None else str(getattr(kind, "name", None) or kind)
            rows.append((part, str(spec.name if spec.name is not None else number), label, _yes(spec)))
    rows.extend(
        ("param", spec.name, str(getattr(spec.dtype, "name", spec.dtype)), f"default {spec.default!r}")
        for spec in (signature.params.params if signature.params else ())
    )
    return tuple(rows)


def _yes(spec: Any) -> str:
    return "no" if getattr(spec, "required", True) is False else "yes"
