"""Registry: reading MLflow's models, versions, stages and aliases, and finding a version's files."""
