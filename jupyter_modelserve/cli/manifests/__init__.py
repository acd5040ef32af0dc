"""Endpoints as YAML files, for people who keep deployments in Git (REQ-158)."""
