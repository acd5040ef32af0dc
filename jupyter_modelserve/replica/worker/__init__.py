"""The worker: loads one version in the model's environment and answers its requests."""
