"""Faces for unmodified clients: other APIs' addresses and bodies over the same parts, rights and audit log.

Nothing here decides who may do what: every operation is a row of the one table (:mod:`.table`), reads are judged by
``decide``, and changes of the registry go through the MLflow child, which judges them as the caller's.
"""
