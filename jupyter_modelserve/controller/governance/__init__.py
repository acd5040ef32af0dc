"""Governance: principals, rights on catalogs, schemas and models, and one table of operations and their rules.

``decide`` is pure. The controller's API, the MLflow child and the scoring snapshot all judge through it, reading the
same tables, so that a grant holds on every face (architecture §8).
"""
