"""``python -m jupyter_modelserve.controller --home DIR``."""

from jupyter_modelserve.controller.main import main

if __name__ == "__main__":
    main()
