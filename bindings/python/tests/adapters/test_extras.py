"""A framework that is not installed is asked for by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .servers import PACKAGE

MISSING = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
import inspire_auth.asgi, inspire_auth.wsgi
try:
    import inspire_auth.{module}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "framework"),
    [
        ("starlette", "Starlette"),
        ("fastapi", "FastAPI"),
        ("flask", "Flask"),
        ("django", "Django REST Framework"),
        ("openfeature", "the OpenFeature SDK"),
    ],
)
def test_the_extra_is_named(module: str, framework: str) -> None:
    hidden = {"starlette", "fastapi", "flask", "django", "rest_framework", "openfeature", "werkzeug"}
    program = MISSING.format(hidden=hidden, module=module)
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == (f"inspire_auth.{module} needs {framework}: pip install 'inspire-auth[{module}]'\n"), (
        done.stderr
    )


def test_the_package_itself_needs_none() -> None:
    program = (
        "import inspire_auth, sys; print(sorted({'starlette', 'flask', 'django', 'openfeature'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "[]\n", done.stderr
