"""Control plane: registry, desired state, reconciler, engines, environments. Never imports mlflow at import."""
