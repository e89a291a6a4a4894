#!/usr/bin/env python3
"""The conformance driver over the Python package: JSON lines in, JSON lines out, in order, until end of input.

It is a thin shell: what it decides itself is only whether the arguments could be read. Every answer names all the
fields of its operation; those that there is nothing to say for are null.
"""

import json
import sys

from inspire_auth import InspireAuthError

from arguments import Arguments, Unreadable, parse, text
from operations import OPERATIONS, Refusal, State


def answer(state, line):
    """The answer to one line, whatever the line is."""
    try:
        request = parse(line)
    except Unreadable:
        return {"id": None, "result": "INVALID_ARGUMENT"}
    identity = request.pop("id", None)
    arguments = Arguments(request)
    try:
        op = arguments.required("op", text)
    except Unreadable:
        return {"id": identity, "result": "INVALID_ARGUMENT"}
    if op not in OPERATIONS:
        return {"id": identity, "result": "UNKNOWN_OP"}
    names, operation = OPERATIONS[op]
    code, fields = "OK", {}
    try:
        fields = operation(state, arguments)
    except Unreadable:
        code = "INVALID_ARGUMENT"
    except Refusal as refusal:
        code, fields = refusal.code, refusal.fields
    except InspireAuthError as error:
        code = error.code
    return {"id": identity, "result": code, **dict.fromkeys(names), **fields}


def main():
    state = State()
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(state, line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
