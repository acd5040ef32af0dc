"""What an endpoint's environment variables and secrets may be called and how long they may be (REQ-140). Pure.

They are set by who manages an endpoint, who need not be who registered its model. So those are refused that are known
to let the interpreter, the dynamic loader, a shell or a common library run other code. A list of names is never
complete: a model's own libraries may know other ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import EndpointSpec

MOST: Final = 100
LONGEST_NAME: Final = 128
ROOM: Final = 32 * 1024
"""Bytes of all names and values as JSON: they go to the worker in one line, which a pipe must hold."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGINNINGS: Final = ("MODELSERVE_", "LD_", "DYLD_", "PYTHON", "GLIBC_")
_NAMES: Final = (
    *("PATH", "HOME", "TMPDIR", "GCONV_PATH", "IFS", "BASH_ENV", "OMP_TOOL_LIBRARIES", "NODE_OPTIONS"),
    *("OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
    *("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
)
_NO_TEXT: Final = "a NUL character or half of one (a lone surrogate)"
_RESERVED: Final = re.compile("|".join([*(f"{each}.*" for each in _BEGINNINGS), *_NAMES]))


def check(spec: EndpointSpec) -> None:
    """Look at the variables and the names of the secrets.

    Raises:
        InvalidParameter: names the field; never a value.
    """
    for name in spec.environment_vars:
        # `NAME=value` in the place of a name is the likeliest mistake.
        _check_name("environment_vars", name, f"{re.split('[=:]', name)[0][:40]!r}")
    for index, name in enumerate(spec.secrets):
        check_secret(f"secrets.{index}", name)
    both = sorted(set(spec.environment_vars) & set(spec.secrets))
    if both:
        raise _wrong("secrets", f"{both[0]} is a plain variable already; a name can be one or the other")
    if len(spec.environment_vars) + len(spec.secrets) > MOST:
        raise _wrong("environment_vars", f"at most {MOST} variables and secrets in all")
    if not all(_is_text(value) for value in spec.environment_vars.values()):
        raise _wrong("environment_vars", f"a value holds {_NO_TEXT}")


def check_room(variables: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """See that all of them fit. Raises InvalidParameter."""
    empty = sorted(name for name, value in secrets.items() if not value or not _is_text(value))
    if empty:
        raise _wrong("secret_values", f"{empty[0]} is empty or holds {_NO_TEXT}")
    if len(json.dumps([dict(variables), dict(secrets)])) > ROOM:
        raise _wrong("environment_vars", f"variables and secrets may have {ROOM // 1024} KiB in all; use a file")


def check_secret(field: str, name: str) -> None:
    """Look at the name of a secret. What is none is not repeated: it may be the value, or hold it.

    Raises:
        InvalidParameter: names *field*, the place of the name.
    """
    _check_name(field, name, "this (not shown: it may hold a value)")


def _check_name(field: str, name: str, shown: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise _wrong(field, f"{shown} is no name of a variable: letters, digits and _, at most {LONGEST_NAME}")
    if _RESERVED.fullmatch(name.upper()):
        raise _wrong(field, f"{name} cannot be set: it changes which code runs, or is set by the engine")


def _is_text(value: str) -> bool:
    """Whether a process can be given *value*: JSON can also say what no text in UTF-8 can hold."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _wrong(field: str, problem: str) -> InvalidParameter:
    return InvalidParameter(f"{field}: {problem}", details={"field": field})
