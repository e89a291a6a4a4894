"""The docstrings of the native half: written in Rust, shown by `help`, and copied into the stub for editors.

    python tests/stub_docs.py --write       # copies them
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from pathlib import Path

from inspire_auth import _inspire_auth

SOURCE = Path(__file__).parent.parent / "python/inspire_auth/_inspire_auth.pyi"
# Away from the source, the tests look at what is installed.
STUB = SOURCE if SOURCE.exists() else Path(_inspire_auth.__file__).with_name(SOURCE.name)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documented(tree: ast.Module) -> list[tuple[str, Documented, object]]:
    """Everything in the stub that has a docstring, with its name and what it is at run time."""
    found: list[tuple[str, Documented, object]] = [("inspire_auth._inspire_auth", tree, _inspire_auth)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            thing = getattr(_inspire_auth, node.name)
            found.append((node.name, node, thing))
            members = node.body if isinstance(node, ast.ClassDef) else []
            found += [
                (f"{node.name}.{member.name}", member, getattr(thing, member.name))
                for member in members
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(member) is not None
            ]
    return found


def differences() -> list[str]:
    """The names of what the stub and the library explain differently, or not at all."""
    tree = ast.parse(STUB.read_text())
    return [name for name, node, thing in documented(tree) if ast.get_docstring(node) != inspect.getdoc(thing)]


def write() -> None:
    """Copies the docstrings of the library into the stub."""
    lines = STUB.read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    for _, node, thing in sorted(documented(tree), key=lambda each: -each[1].body[0].lineno):
        old = node.body[0]
        assert isinstance(old, ast.Expr) and old.end_lineno is not None
        text = inspect.getdoc(thing) or "..."
        mark = 'r"""' if "\\" in text else '"""'
        block = f'{mark}{text}\n"""' if "\n" in text else f'{mark}{text}"""'
        lines[old.lineno - 1 : old.end_lineno] = textwrap.indent(block, " " * old.col_offset).splitlines()
    STUB.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    for name in differences():
        print(f"the stub and the library differ: {name}", file=sys.stderr)
    sys.exit(1 if differences() else 0)
