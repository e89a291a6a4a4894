"""The frameworks that only some modules need."""

from __future__ import annotations


class needs:
    """Says which extra is to be installed when a framework is missing.

    Args:
        framework: its name, for people.
        extra: the extra of this distribution that installs it.
    """

    def __init__(self, framework: str, extra: str) -> None:
        self._message = f"inspire_auth.{extra} needs {framework}: pip install 'inspire-auth[{extra}]'"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ImportError):
            raise ImportError(self._message, name=error.name, path=error.path) from error
