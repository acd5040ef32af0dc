"""Our REST API: thin operations over the controller's parts; each one declares its rule (architecture §8)."""
