"""Who made a builder: so that one whose maker was killed is told from one at work, also of another program of ours.

It stands in the container's name. Labels will not do: an image inherits those of the container that it is made of, and
every container of such an image would then look like a builder.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jupyter_modelserve.controller.engines import identity

_NAME: Final = re.compile(r"/?modelserve-builder-([0-9a-zA-Z]+)-(\d+)-(\d+)-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Maker:
    """This process, as the maker of builders for an instance; *home* is on its command line."""

    instance_id: str
    home: Path

    def name(self) -> str:
        """A name for a builder that this process makes."""
        me = identity.identify(os.getpid())
        born = re.sub(r"\D", "", me.start_time) if me is not None else "0"
        return f"{self.prefix}-{os.getpid()}-{born}-{secrets.token_hex(4)}"

    @property
    def prefix(self) -> str:
        """How the names of this instance's builders begin."""
        return f"modelserve-builder-{self.instance_id[:8]}"

    def orphaned(self, name: str) -> bool:
        """Whether the container called so is a builder of this instance whose maker is gone."""
        found = _NAME.fullmatch(name)
        if found is None or found[1] != self.instance_id[:8]:
            return False
        return not identity.is_alive(identity.Identity(int(found[2]), found[3]), str(self.home))
