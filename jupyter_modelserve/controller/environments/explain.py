"""Turn what uv printed into one sentence for the user that names the package (REQ-050)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_modelserve.controller.environments.redaction import redact
from jupyter_modelserve.types import Cause, Failure

TAIL = 20
"""Log lines that a failure carries."""
_NOISE = re.compile(r"[│├╰╭─▶×╵╷]+|^\s*cause:", re.MULTILINE)
_PIN = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?(?:\s*[<>=!~][^\s]*)?"
_REMEDY = (
    "Log the model again with a version that exists, for example extra_pip_requirements=[...], or change it with "
    "mlflow.models.update_model_requirements(...)."
)
_PRIVATE = (
    "Is it a private library? Package its wheel with the model (mlflow.models.add_libraries_to_model), name its "
    "index in pip's configuration, or set find_links to a directory that holds it."
)
_SOURCE = (
    "Use a version that has a wheel for this Python, or install the compiler and system libraries that it needs; the "
    "log shows what was missing."
)
_NETWORK = (
    "Check the network, proxy and certificates (pip's configuration is used), or set offline and find_links to a "
    "directory with the wheels."
)
_IMPLIED = rf"you require {_PIN}, we can conclude that you require {_PIN}"

_RULES: tuple[tuple[str, Cause, str, str], ...] = (
    (
        rf"Because there (?:is|are) no versions? of (?P<a>{_PIN})(?: and|,)",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} is not available from the package index",
        _REMEDY,
    ),
    (
        rf"Because (?P<a>{_PIN}) was not found in (?:the )?(?P<b>package registry|cache|provided package locations)",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} is not available: it was not found in the {b}",
        _PRIVATE,
    ),
    (
        rf"current Python version \((?P<b>[^)]*)\) does not satisfy (?P<c>Python[^ ]+) and (?P<a>{_PIN}) depends on",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} needs {c}, but the model was logged with Python {b}",
        _REMEDY,
    ),
    (
        rf"Because (?:only )?(?P<a>{_PIN}) has no (?:usable wheels|wheels with a matching [^.,()]*?(?:tag|platform))",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} is not available for this Python and platform: no wheel fits",
        _REMEDY,
    ),
    (
        rf"Because (?P<a>{_PIN}) depends on (?P<b>{_PIN}) and {_IMPLIED} And because you require (?P<c>{_PIN}),",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} needs {b}, but the model requires {c}",
        _REMEDY,
    ),
    (
        rf"Because (?P<a>{_PIN}) depends on (?P<b>{_PIN}) and you require (?P<c>{_PIN}),",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} needs {b}, but the model requires {c}",
        _REMEDY,
    ),
    (
        rf"Because you require (?P<c>{_PIN}) and (?P<a>{_PIN}) depends on (?P<b>{_PIN}),",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} needs {b}, but the model requires {c}",
        _REMEDY,
    ),
    (
        rf"Because (?P<a>{_PIN}) depends on (?P<b>{_PIN}) and (?P<c>{_PIN}) depends on (?P<d>{_PIN}),",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "{a} needs {b}, but {c} needs {d}",
        _REMEDY,
    ),
    (
        rf"(?:Because )?you require (?P<a>{_PIN}) and (?:you require )?(?P<b>{_PIN}),",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "the model requires both {a} and {b}",
        _REMEDY,
    ),
    (
        rf"only the following versions of (?P<a>{_PIN}) are available",
        Cause.REQUIREMENT_UNRESOLVABLE,
        "no available version of {a} satisfies the model's requirements",
        _REMEDY,
    ),
    (
        r"Failed to build `(?P<a>[^`]+)`(?! .*Failed to build `)",
        Cause.BUILD_FAILED,
        "{a} could not be built from its source",
        _SOURCE,
    ),
    (
        r"Hash mismatch for `(?P<a>[^`]+)`",
        Cause.BUILD_FAILED,
        "{a} does not have the hash that the model's requirements demand",
        "The file on the index is not the one that was pinned; check where it comes from.",
    ),
    (
        r"Failed to (?:fetch|download)(?:[^`]*`|: )(?P<a>[^`\s]+)",
        Cause.BUILD_FAILED,
        "{a} could not be downloaded",
        _NETWORK,
    ),
    (
        r"No space left on device",
        Cause.BUILD_FAILED,
        "the disk is full",
        "Make room; environments that no model uses any more may be deleted.",
    ),
)  # fmt: skip


def explain(lines: Sequence[str]) -> Failure:
    """The failure that *lines* (a build's output, oldest first) tell of."""
    tail = tuple(redact(line.rstrip()) for line in lines if line.strip())[-TAIL:]
    text = re.sub(r"\s+", " ", _NOISE.sub(" ", "\n".join(lines)))
    for pattern, cause, message, hint in _RULES:
        match = re.search(pattern, text)
        if match:
            parts = {name: value.strip().rstrip(".,") for name, value in match.groupdict().items() if value}
            return Failure(cause, redact(message.format(**parts)), hint, tail)
    first = next((line for line in tail if re.match(r"\s*(error|×)", line)), tail[-1] if tail else "no output")
    message = re.sub(r"^\s*(error:|×)\s*", "", first)[:300]
    return Failure(Cause.BUILD_FAILED, f"the environment could not be built: {message}", "See the log.", tail)
