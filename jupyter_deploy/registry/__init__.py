"""MLflow: how a model is packaged, registered, brought back and tagged.

Everything here imports MLflow inside its functions: it takes seconds, and most processes never
need it.
"""
