"""Reading arguments, strictly: a member that is not asked for is as wrong as one that can't be read."""

import base64
import binascii
import json

from inspire_auth import Requirement


class Unreadable(Exception):
    """The arguments can't be read: INVALID_ARGUMENT."""


def parse(line):
    """The object in a line of JSON (RFC 8259), or Unreadable."""

    def refuse(_):
        raise Unreadable

    try:
        value = json.loads(line.decode("utf-8"), parse_constant=refuse)
        # An escaped lone surrogate is no text; Python would carry it along.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(value, dict):
        raise Unreadable
    return value


class Arguments:
    """The members of an object, each taken once. An optional one that is null is absent."""

    def __init__(self, members):
        if not isinstance(members, dict):
            raise Unreadable
        self._members = members

    def end(self):
        """Refuses what has not been taken."""
        if self._members:
            raise Unreadable

    def has(self, name):
        return name in self._members

    def optional(self, name, read, otherwise=None):
        value = self._members.pop(name, None)
        return otherwise if value is None else read(value)

    def required(self, name, read):
        value = self.optional(name, read)
        if value is None:
            raise Unreadable
        return value

    def requirement(self, name):
        """`{"any": [...]}` or `{"all": [...]}`; None when absent."""
        value = self.optional(name, Arguments)
        if value is None:
            return None
        any_of, all_of = value.optional("any", texts), value.optional("all", texts)
        value.end()
        if (any_of is None) == (all_of is None):
            raise Unreadable
        return Requirement.any_of(any_of) if any_of is not None else Requirement.all_of(all_of)


def octets(value):
    """A string, or the bytes of `{"b64": "..."}`."""
    if isinstance(value, str):
        return value.encode("utf-8")
    members = Arguments(value)
    encoded = members.required("b64", only(str))
    members.end()
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Unreadable from None


def text(value):
    try:
        return octets(value).decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable from None


def flag(value):
    return only(bool)(value)


def integer(value):
    # True is an int in Python, but not in JSON; and an int has any number of bits.
    if isinstance(value, bool) or not -(1 << 63) <= only(int)(value) < 1 << 63:
        raise Unreadable
    return value


def items(value):
    return only(list)(value)


def texts(value):
    return [text(item) for item in items(value)]


def one_of(*choices):
    def read(value):
        chosen = text(value)
        if chosen not in choices:
            raise Unreadable
        return chosen

    return read


def only(kind):
    def read(value):
        if not isinstance(value, kind):
            raise Unreadable
        return value

    return read
