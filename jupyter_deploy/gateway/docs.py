"""The documentation of an endpoint as one HTML page, without scripts and without other hosts."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from typing import Any

from jupyter_deploy.core.contract import Column, Form
from jupyter_deploy.core.snapshot import VersionRoute
from jupyter_deploy.gateway.decode.values import element, expected

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#1f2328;background:#fff}h1{margin-bottom:0}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d1d9e0;vertical-align:top}
pre{background:#f6f8fa;padding:.8rem;overflow:auto}code{font-family:ui-monospace,monospace}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}
td,th{border-color:#30363d}}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


def page(document: dict[str, Any], route: VersionRoute, endpoint: str) -> str:
    """The page for an OpenAPI document and the version that it is of."""
    path, operation = next(iter(document["paths"].items()))
    url = document["servers"][0]["url"] + path
    example = operation["post"]["requestBody"]["content"]["application/json"].get("example")
    parts = [
        f"<h1>{_text(endpoint)} <small>{_text(route.version)}</small></h1>",
        f"<p><code>POST {_text(url)}</code> · <a href='openapi.json'>OpenAPI document</a></p>",
        "<h2>Request</h2>",
        _example(url, example),
        _input(route),
        "<h2>Answers</h2>",
        _answers(operation["post"]["responses"], document["components"]["responses"]),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{_text(endpoint)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _example(url: str, example: Any) -> str:
    body = json.dumps(example) if example is not None else "BODY"
    # A quote inside single quotes of a shell: '\'' closes, escapes and opens.
    quoted = body.replace("'", "'\\''")
    lines = [
        f"curl {url} \\",
        "  -H \"Authorization: Bearer $(cat KEY_FILE)\" -H 'Content-Type: application/json' \\",
        f"  -d '{quoted}'",
    ]
    return f"<pre><code>{_text(chr(10).join(lines))}</code></pre>"


def _input(route: VersionRoute) -> str:
    contract = route.contract
    if contract.form is Form.FRAME:
        rows = "".join(_column(column) for column in contract.columns)
        head = "<tr><th>Column</th><th>Value</th><th>May be left out</th></tr>"
        return f"<table>{head}{rows}</table>"
    if contract.tensor is None:
        return "<p>The values are passed on to the model as they come.</p>"
    shape = " by ".join(str(size) if size >= 0 else "any" for size in contract.tensor.shape)
    what = _text(expected(element(contract.tensor)))
    return f"<p>Each row: {shape or 'one'} {what}.</p>"


def _column(column: Column) -> str:
    optional = "yes" if column.nullable else ""
    cells = (f"<code>{_text(column.name)}</code>", _text(expected(column)), optional)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _answers(responses: dict[str, Any], errors: dict[str, Any]) -> str:
    rows = []
    for status, response in responses.items():
        shown = errors[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        rows.append(f"<tr><td>{status}</td><td>{_text(shown['description'])}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _text(value: str) -> str:
    return html.escape(value)
