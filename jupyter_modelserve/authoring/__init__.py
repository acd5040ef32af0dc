"""The kernel side of ``%register``: log a model to the instance with MLflow, with a signature, in about a second.

mlflow and pandas are imported when a model is registered, never at import of this package.
"""
