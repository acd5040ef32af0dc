"""The Docker engine: one container per replica, without network, reached over a unix socket (architecture §6)."""
