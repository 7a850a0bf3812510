"""Who asks, as the audit names them."""

from __future__ import annotations

import re

from jupyter_server.auth.identity import User

from jupyter_deploy.client.person import system_user

#: What Jupyter makes up for whoever has its one token or password: a new name in each browser.
_MADE_UP_ID = re.compile("[0-9a-f]{32}")
_MADE_UP_NAME = "Anonymous "


def name_of(user: User) -> str:
    """The name of `user`; that of the server's own user where Jupyter does not know who it is.

    A token shows that someone may act as who started the server, and their magics and commands are
    under that name too.
    """
    made_up = _MADE_UP_ID.fullmatch(user.username) and (user.name or "").startswith(_MADE_UP_NAME)
    return system_user() if made_up else user.username
