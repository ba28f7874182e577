"""Paths: an id in a path, which may hold any sign, a slash too, and is then checked as every other text."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class IdConvertor(Convertor[str]):
    """All that is left of a path, at least one sign.

    Line feeds are let through, to be refused as such: `.` would stop before them, and `$` pass one over at the end.
    """

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        """The id as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The same."""
        return value


def in_path(prefix: str, name: str) -> str:
    """A route's path that ends in an id.

    >>> in_path("/v1/items", "item_id")
    '/v1/items/{item_id:id}'
    """
    register_url_convertor("id", IdConvertor())
    return f"{prefix}/{{{name}:id}}"
