"""The layers hold: imports point downwards, nothing goes round in a circle, and starting up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_llmroute

PACKAGE = Path(pytest_llmroute.__file__).parent
TIERS: tuple[tuple[str, ...], ...] = (
    ("codes", "errors", "core"),
    ("config",),
    ("prompts", "routing", "backends", "sandbox", "measure", "store", "gate"),
    ("tasks", "learn"),
    ("extensions",),
    ("engine",),
    ("report",),
    ("api", "pytest_side", "cli", "testing"),
    ("plugin", "__init__", "__main__"),
)
TIER_OF = {part: tier for tier, parts in enumerate(TIERS) for part in parts}
FREE = {"hookspecs"}
"""Names types only: imported by extensions, imports nothing at run time."""
SAME_TIER_ALLOWED = {("core", "errors"), ("core", "codes"), ("errors", "codes")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """`pytest_llmroute.core.models` belongs to `core`; the package itself to `__init__`."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def imports_of(source: str) -> set[str]:
    """Modules of ours that `source` imports when it runs; those for type checkers only don't count."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for otherwise in node.orelse:
                visit(otherwise)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith("pytest_llmroute"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_llmroute"):
            for alias in node.names:
                path = PACKAGE.parent / (node.module or "").replace(".", "/") / alias.name
                is_module = path.with_suffix(".py").exists() or path.is_dir()
                found.add(f"{node.module}.{alias.name}" if is_module else str(node.module))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def wrong_arrows(importer: str, source: str) -> list[str]:
    """The imports of `source` that do not point downwards."""
    here = part_of(importer)
    wrong = []
    for imported in imports_of(source):
        there = part_of(imported)
        if there == here or {here, there} & FREE:
            continue
        if there == "__init__" and here in ("pytest_side", "measure", "cli"):
            continue  # the version: a constant of the front door, which imports nothing itself
        downwards = TIER_OF[there] < TIER_OF[here] or (here, there) in SAME_TIER_ALLOWED
        if not downwards:
            wrong.append(f"{importer} imports {imported}")
    return wrong


def test_every_part_has_a_tier() -> None:
    parts = {part_of(module_name(path)) for path in MODULES}
    assert parts - set(TIER_OF) - FREE == set()


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_downwards(path: Path) -> None:
    assert wrong_arrows(module_name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("pytest_llmroute.core.models", "from pytest_llmroute.routing.router import Router"),
        ("pytest_llmroute.routing.router", "import pytest_llmroute.backends.pool"),
        ("pytest_llmroute.engine.case", "def f():\n    from pytest_llmroute.pytest_side import plan"),
        ("pytest_llmroute.store.sqlite", "from pytest_llmroute import plugin"),
    ],
)
def test_a_wrong_arrow_is_seen(importer: str, source: str) -> None:
    assert wrong_arrows(importer, source)


def test_no_module_is_part_of_an_import_cycle() -> None:
    graph = {module_name(path): imports_of(path.read_text(encoding="utf-8")) for path in MODULES}
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join([*way, module])
        if module in done or module not in graph:
            return
        for imported in graph[module]:
            if imported != module:
                walk(imported, (*way, module))
        done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize("modules", [MODULES[::8], pytest.param(MODULES, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_module_can_be_imported_alone_without_a_warning(modules: list[Path]) -> None:
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for loaded in [m for m in sys.modules if m.startswith('pytest_llmroute')]:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    names = [module_name(path) for path in modules]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_entry_point_imports_the_standard_library_and_pytest_only() -> None:
    script = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import pytest_llmroute.plugin\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'pytest_llmroute'}))\n"
        "print(sorted(n for n in set(sys.modules) - before if n.startswith('pytest_llmroute')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    foreign, ours = done.stdout.splitlines()
    assert foreign == "[]"
    assert ours == str(
        [
            "pytest_llmroute",
            "pytest_llmroute.config",
            "pytest_llmroute.config.options",
            "pytest_llmroute.plugin",
        ]
    )


def test_public_names_are_those_of_all() -> None:
    for name in pytest_llmroute.__all__:
        assert getattr(pytest_llmroute, name).__name__ == name
    assert set(pytest_llmroute.__all__) == set(pytest_llmroute._MODULE_OF)
    with pytest.raises(AttributeError, match="no_such_name"):
        pytest_llmroute.__getattr__("no_such_name")
