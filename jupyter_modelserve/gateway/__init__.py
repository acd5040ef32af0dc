"""The gateway: the data plane that carries every request of an instance (architecture §1, §7).

A process of its own, so that neither a slow database nor a broken controller can stop scoring. It works from a numbered
snapshot of routes and token hashes, and imports nothing heavy: no Docker, SQL, MLflow, pandas or web framework.
"""
