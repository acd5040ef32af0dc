"""Direct paths: the arithmetic of an estimator without pyfunc, for the inputs where both give the same answer."""
