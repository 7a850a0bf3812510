"""Who is at work in this process, as the audit names them."""

from __future__ import annotations

import getpass
import os


def system_user() -> str:
    """The operating system's name of the user; the number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        return str(os.getuid())
