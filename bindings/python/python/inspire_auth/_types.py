"""The types of arguments."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

Channel: TypeAlias = Literal["plain", "secure", "local"]
"""How a request came, as the host knows it."""

Headers: TypeAlias = (
    Iterable[tuple[str | bytes, str | bytes]] | Mapping[str, str | bytes] | Mapping[bytes, str | bytes] | str | bytes
)
"""A request's headers: pairs, a mapping, or the value of the one ``Authorization`` header."""
