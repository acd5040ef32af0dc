"""Lineage as stored edges: found where facts arise, kept when runs are deleted, shown as far as the viewer may see."""
