"""The parent: starts, watches and restarts one worker per loaded version (standard library only)."""
