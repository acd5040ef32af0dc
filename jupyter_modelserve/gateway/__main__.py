"""``python -m jupyter_modelserve.gateway --home DIR``: how the launcher starts the gateway."""

from __future__ import annotations

import sys

from jupyter_modelserve.gateway.main import main

sys.exit(main())
