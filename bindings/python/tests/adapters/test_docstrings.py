"""The examples in the adapters' docstrings run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest
from openfeature import api

from inspire_auth import InspireAuth


@pytest.mark.parametrize("name", ["asgi", "wsgi", "starlette", "fastapi", "flask", "openfeature"])
def test_the_example_of_a_module_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"inspire_auth.{name}")
    known: dict[str, Any] = {"app": None}
    [example] = doctest.DocTestFinder(recurse=False).find(module, name, globs=known)
    assert example.examples
    report: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert results.failed == 0, "".join(report)
    api.shutdown()
    assert InspireAuth.open("service.db").keys.list() == []
