"""Checks before serving: a model runs once in a clean environment, and the verdict is kept (REQ-125 to REQ-127)."""
