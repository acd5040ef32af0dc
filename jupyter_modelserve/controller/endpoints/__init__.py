"""Endpoints: specification → selection → plan → effects → routes and status (architecture §5).

Everything that decides is pure (``selection``, ``planner``, ``routes``, ``status``); ``reconciler`` carries it out.
"""
