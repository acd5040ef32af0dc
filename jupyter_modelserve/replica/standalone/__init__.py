"""One baked-in model behind a plain HTTP port: what an exported image runs (standard library only)."""
