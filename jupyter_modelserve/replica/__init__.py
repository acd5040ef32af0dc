"""The replica: what runs next to a model, in the model's own interpreter.

Nothing here may need more than the standard library of Python 3.8, because the interpreter belongs to the model and
may be years old; ``worker`` imports pandas, numpy, yaml and mlflow only when it needs them. The package is executed as
a directory (``<python> <this directory> parent|worker``) and then known as ``modelserve_replica``, so that neither our
modules nor our site-packages can be mistaken for the model's.
"""
