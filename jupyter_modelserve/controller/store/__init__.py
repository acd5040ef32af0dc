"""Store: our tables beside MLflow's in one database, and the look for changes made by anybody (architecture §8)."""
