"""`help(inspire_auth)` and an editor explain everything, and say the same."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest
import stub_docs

import inspire_auth
import inspire_auth._inspire_auth
import inspire_auth.issue

MODULES: list[ModuleType] = [inspire_auth, inspire_auth.issue]


def public() -> dict[str, object]:
    """Everything that a user can come across, by its name."""
    found: dict[str, object] = {}
    for module in MODULES:
        found[module.__name__] = module
        for name in module.__all__:
            thing = getattr(module, name)
            if not callable(thing) or not getattr(thing, "__module__", "").startswith("inspire_auth"):
                continue
            found[f"{module.__name__}.{name}"] = thing
            if isinstance(thing, type):
                for member, value in vars(thing).items():
                    if not member.startswith("_") and (callable(value) or inspect.isdatadescriptor(value)):
                        if not inspect.ismemberdescriptor(value):
                            found[f"{module.__name__}.{name}.{member}"] = getattr(thing, member)
    return found


EVERYTHING = public()


def test_the_walk_finds_what_is_there() -> None:
    for name in (
        "inspire_auth.InspireAuth.authenticate", "inspire_auth.InspireAuth.authenticate_async",
        "inspire_auth.Principal.id", "inspire_auth.Keys.import_", "inspire_auth.issue.sign",
        "inspire_auth.StoreError", "inspire_auth.InspireAuthError.code", "inspire_auth.inspect",
        "inspire_auth.LicenseStatus.active", "inspire_auth.TrustedProxies.channel",
    ):
        assert name in EVERYTHING


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_public_is_explained(name: str) -> None:
    text = inspect.getdoc(EVERYTHING[name])
    assert text and len(text) > 20, name
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", [n for n, thing in EVERYTHING.items() if inspect.isroutine(thing)])
def test_every_parameter_is_explained(name: str) -> None:
    thing = EVERYTHING[name]
    text = inspect.getdoc(thing) or ""
    for parameter in inspect.signature(thing).parameters:  # type: ignore[arg-type]
        if parameter not in ("self", "cls", "$self"):
            assert re.search(rf"^ +{parameter}: ", text, re.MULTILINE), f"{name}: {parameter}"


@pytest.mark.parametrize("name", [n for n, thing in EVERYTHING.items() if inspect.isroutine(thing)])
def test_every_function_has_an_example(name: str) -> None:
    assert "Example:\n    >>> " in (inspect.getdoc(EVERYTHING[name]) or ""), name


@pytest.mark.parametrize(
    "name", [n for n, thing in EVERYTHING.items() if dataclasses.is_dataclass(thing) and isinstance(thing, type)]
)
def test_every_field_of_a_record_is_explained(name: str) -> None:
    text = inspect.getdoc(EVERYTHING[name]) or ""
    for field in dataclasses.fields(EVERYTHING[name]):  # type: ignore[arg-type]
        assert re.search(rf"^    {field.name}: ", text, re.MULTILINE), f"{name}: {field.name}"


def test_classes_with_arguments_explain_them() -> None:
    for cls in (inspire_auth.Requirement, inspire_auth.TrustedProxies):
        assert "text: " in (inspect.getdoc(cls) or "") and list(inspect.signature(cls).parameters) == ["text"]


def test_the_stub_says_what_the_library_says() -> None:
    assert stub_docs.differences() == []


def test_what_is_exported_is_there_and_sorted() -> None:
    for module in MODULES:
        assert len(set(module.__all__)) == len(module.__all__)
        assert set(module.__all__) <= set(dir(module))
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", inspire_auth.__version__) and inspire_auth.ABI_VERSION == 1
    assert len(inspire_auth.CATALOGUE) == 10


def test_the_examples_of_the_package_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    name = "the package"
    examples = "\n".join(inspect.getdoc(module) or "" for module in MODULES)
    results = runner.run(parser.get_doctest(examples, {}, name, None, None))
    assert results.failed == 0 and results.attempted > 8
