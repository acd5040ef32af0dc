"""Engines: what keeps replicas running. They never roll, balance or decide (architecture §6)."""
