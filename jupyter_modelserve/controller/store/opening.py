"""``python -m jupyter_modelserve.controller.store.opening``: whether the key file opens the secrets that are set.

For ``doctor``, also of an instance that is down. Reads database and keys and changes neither. Prints JSON: each secret
as ``endpoint/name`` with why it cannot be read (empty where it can); never a value.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sqlalchemy import URL

from jupyter_modelserve.controller.store import secrets
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.keys import KeyFile
from jupyter_modelserve.settings import Paths, Settings


def main() -> None:
    """Look once."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    paths = Paths(parser.parse_args().home)
    sys.stdout.write(json.dumps(look(paths, Settings.load(paths.home))))


def look(paths: Paths, settings: Settings) -> dict[str, str]:
    """Why each secret of the instance cannot be read."""
    url = URL.create("sqlite", database=paths.database.as_uri(), query={"mode": "ro", "uri": "true"})
    engine = Database(url, KeyFile(paths.secret_key_file, settings.secret_key_file)).engine
    try:
        with engine.connect() as connection:
            return secrets.problems(connection)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
