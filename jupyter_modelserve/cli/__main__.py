"""``python -m jupyter_modelserve.cli``, for where the console script is not on the path."""

from __future__ import annotations

import sys

from jupyter_modelserve.cli import main

sys.exit(main())
