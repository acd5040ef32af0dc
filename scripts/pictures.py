"""Takes the screenshots of the last ``make test`` over into the documentation: ``make pictures``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "how-to" / "images"
TAKEN: Final = (ROOT / "build" / "panel", ROOT / "build" / "dashboards")


def main() -> int:
    """Copy every picture that a page shows; 1 when the tests have not taken one of them."""
    missing = 0
    for shown in sorted(IMAGES.glob("*.png")):
        found = next((folder / shown.name for folder in TAKEN if (folder / shown.name).is_file()), None)
        if found is None:
            print(f"no test has taken {shown.name}", file=sys.stderr)
            missing += 1
        elif found.read_bytes() != shown.read_bytes():
            shutil.copyfile(found, shown)
            print(f"took {shown.name}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
