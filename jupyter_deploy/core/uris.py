"""Tracking URIs as they may be shown."""

from __future__ import annotations


def without_password(uri: str) -> str:
    """`uri` as it may be shown: without user and password."""
    scheme, separator, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path
