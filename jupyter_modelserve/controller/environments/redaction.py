"""Keep credentials in index addresses out of logs, messages and states."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@'\"]+@")
_QUERY = re.compile(r"(?P<name>[?&][^=&\s]*(?:token|sig|secret|password|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """*text* with ``user:password@`` of every address, and secret-looking query values, replaced by ``****``."""
    return _QUERY.sub(r"\g<name>****", _CREDENTIALS.sub(r"\g<scheme>****@", text))
