"""From a notebook cell to a secured, supervised, versioned prediction API in one line.

    %load_ext jupyter_deploy
    %deploy clf --name churn

    from jupyter_deploy import deploy, endpoint

Nothing heavy is imported here: the kernel, the Jupyter server and every replica import this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Deployment", "Endpoint", "__version__", "deploy", "endpoint"]

if TYPE_CHECKING:
    from jupyter_deploy.notebook.handles import Deployment, Endpoint, deploy, endpoint


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used."""
    if name in __all__:
        from jupyter_deploy.notebook import handles

        return getattr(handles, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Register the magics: `%load_ext jupyter_deploy`."""
    from jupyter_deploy.notebook.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magics: `%unload_ext jupyter_deploy`."""
    from jupyter_deploy.notebook.magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_deploy.server.app import DeployExtension

    return [{"module": "jupyter_deploy", "app": DeployExtension}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    # For `jupyter-builder develop`: what is built is installed as a link.
    return [{"src": "labextension", "dest": "jupyterlab-deploy"}]
