"""Names of endpoints and consumers.

Rule: a name is checked once, at the edge, by a function of this file; inside it is one of these
types and is never checked again.  A notebook passes whatever it likes: what is no text is refused
like any bad name.  Paths are built from ids, not from names.
"""

from __future__ import annotations

import re
from typing import NewType

from jupyter_deploy.errors import InvalidName

EndpointName = NewType("EndpointName", str)
ConsumerName = NewType("ConsumerName", str)

_ENDPOINT = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_CONSUMER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._@-]{0,61}[A-Za-z0-9])?", re.ASCII)

#: The consumer that the notebook's own calls use.
NOTEBOOK = ConsumerName("notebook")


def endpoint_name(text: str) -> EndpointName:
    """Return `text` as the name of an endpoint.  Raises InvalidName."""
    if not isinstance(text, str) or _ENDPOINT.fullmatch(text) is None:
        rule = "1 to 63 lower-case letters, digits and hyphens, from a letter to a letter or digit"
        raise InvalidName("endpoint", text, rule)
    return EndpointName(text)


def consumer_name(text: str) -> ConsumerName:
    """Return `text` as the name of a consumer.  Raises InvalidName."""
    if not isinstance(text, str) or _CONSUMER.fullmatch(text) is None:
        rule = "1 to 63 letters, digits and . _ @ -, from a letter or digit to a letter or digit"
        raise InvalidName("consumer", text, rule)
    return ConsumerName(text)
