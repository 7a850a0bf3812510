"""Predictions from an endpoint, over HTTP, as any other caller gets them.

Rule 1: the key is read from its file for each request, so that a rotated key is the one that is
sent; it goes into the header and nowhere else.  Rule 2: what the gateway refuses comes back as the
error class that it raised there, with the request's id.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from jupyter_deploy.client import payload
from jupyter_deploy.client.keyfile import secret_in
from jupyter_deploy.core.keys import Secret
from jupyter_deploy.errors import (
    DeadlineExceeded,
    DeployError,
    ModelFailed,
    RequestError,
    Unavailable,
    UnknownRoute,
)

#: Longer than any model is given by default: the gateway's own deadline comes first.
ANSWER_SECONDS = 600.0
_CONNECT_SECONDS = 5.0
_JSON = "application/json"


class InferenceClient:
    """A caller of the endpoints behind the gateway at `url` (http://127.0.0.1:8900).

    `key` is the key itself or the path of the file that holds it.  May be used from several
    threads.  Close it, or use it as a context manager.
    """

    def __init__(
        self, url: str, key: Secret | Path, *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._answer_seconds = answer_seconds
        self._http = httpx.Client(
            timeout=httpx.Timeout(answer_seconds, connect=_CONNECT_SECONDS),
            # A proxy from the environment must not see what goes to this very machine.
            trust_env=not _is_loopback(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"InferenceClient({self.url!r})"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def predict(
        self,
        name: str,
        data: Any,
        *,
        version: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """What the model's own predict would give for `data`.

        That is an array of predictions, a DataFrame for a model that answers one, or the value that
        it answers.  `data` is a DataFrame, a Series, an array, a list or a mapping; `version` asks
        for a version that is still running.  Raises UsageError for data that JSON cannot say, the
        RequestErrors, and Unavailable when nothing answers.
        """
        document = self._post(name, payload.encode(data, params), version)
        return payload.answer(document.get("predictions"))

    def predict_json(
        self, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> dict[str, Any]:
        """The whole answer to `body`, as it comes: predictions, and a classifier's probabilities.

        Raises like `predict`.
        """
        return self._post(name, payload.encode(body), version)

    def _post(self, name: str, content: bytes, version: str | None) -> dict[str, Any]:
        url = invocations(self.url, name, version)
        headers = {"authorization": f"Bearer {self._secret()}", "content-type": _JSON}
        try:
            response = self._send(url, content, headers)
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(self._answer_seconds) from error
        except httpx.TransportError as error:
            raise _nobody(self.url) from error
        if response.is_error:
            raise _refused(name, response)
        return _document(response.content)

    def _send(self, url: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        try:
            return self._http.post(url, content=content, headers=headers)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # The connection was closed while it lay idle, or its gateway was replaced; predicting
            # changes nothing, so asking once more is safe.
            return self._http.post(url, content=content, headers=headers)

    def _secret(self) -> str:
        if isinstance(self._key, Secret):
            return self._key.reveal()
        try:
            return secret_in(self._key)
        except OSError as error:
            raise Unavailable(
                f"The key file {self._key} cannot be read: {error.strerror}.",
                "Create a key with `%apikey create`, or ask the owner of the endpoint for one.",
            ) from error


def invocations(url: str, name: str, version: str | None = None) -> str:
    """The URL that takes predictions: of the endpoint, or of one version that is running."""
    pinned = "" if version is None else f"/versions/{quote(version, safe='')}"
    return f"{url}/endpoints/{quote(name, safe='')}{pinned}/invocations"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _document(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:  # half a character, which some models answer
        document: dict[str, Any] = json.loads(content)
        return document


def _refused(name: str, response: httpx.Response) -> DeployError:
    try:
        document = msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        detail = f"{response.url.host} answered {response.status_code} without saying why."
        return RequestError(detail, "It may not be our gateway: look at the URL.")
    error = DeployError.from_problem(document)
    if isinstance(error, ModelFailed) and error.request_id:
        error.fix = f"The trace is in endpoint({name!r}).errors[{error.request_id!r}]."
    elif isinstance(error, UnknownRoute):
        error.fix = f"endpoint({name!r}).versions shows what serves, or was stopped."
    return error


def _nobody(url: str) -> Unavailable:
    return Unavailable(
        f"Nothing answers at {url}.",
        "Look at `jupyter endpoint status`; `jupyter endpoint start` starts what has been stopped.",
    )
