"""The Jupyter server extension: starts and watches the supervisor, forwards requests to it."""
