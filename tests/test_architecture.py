"""The borders of the house: who may import whom, and who may touch the world outside."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "smartsale_emu"
ROOT = Path(__file__).parent.parent / PACKAGE
FLOORS = {
    "cli": 7,
    "__main__": 7,
    "control": 7,
    "pytest_plugin": 7,
    "runtime": 6,
    "scenario": 6,
    "emulator": 5,
    "register": 5,
    "traces": 5,
    "terminal": 4,
    "host": 4,
    "payment": 3,
    "sa": 2,
    "security": 2,
    "units": 1,
    "errors": 1,
    "pan": 1,
    "profile_rows": 1,
    "__init__": 1,
}
NEIGHBOURS = {
    ("__main__", "cli"),
    ("cli", "control"),
    ("profile_rows", "errors"),
    ("pytest_plugin", "control"),
    ("runtime", "scenario"),
    ("traces", "emulator"),
}
"""Rooms of one floor that may know each other, one way."""
OUTSIDE = {"asyncio", "time", "socket", "ssl", "sqlite3", "os", "pathlib", "random", "secrets", "threading"}
LIBRARIES = {
    "transitions": {"terminal"},
    "iso8583": {"host"},
    "psec": {"security"},
    "pyemv": {"security"},
    "cryptography": {"security"},
    "pytest": {"pytest_plugin"},
    "serial": {"runtime"},
    "rich": {"cli"},
    "yaml": {"scenario"},
    "pydantic": {"scenario", "control"},
    "pydantic_core": {"scenario"},
    "fastapi": {"control"},
    "starlette": {"control"},
    "uvicorn": {"control"},
}


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join((PACKAGE, *parts)).removesuffix(".__init__")
        yield parts[0], name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


MODULES = list(modules())
IDS = [name for _, name, _ in MODULES]


def room_of(imported: str) -> str | None:
    parts = imported.split(".")
    if parts[0] != PACKAGE:
        return None
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "__init__"


@pytest.mark.parametrize(("room", "name", "tree"), MODULES, ids=IDS)
def test_only_downward(room: str, name: str, tree: ast.Module) -> None:
    for imported in imports(tree):
        other = room_of(imported)
        if other is None or other == room:
            continue
        allowed = FLOORS[other] < FLOORS[room] or (room, other) in NEIGHBOURS
        assert allowed, f"{name} (floor {FLOORS[room]}) imports {imported} (floor {FLOORS[other]})"


@pytest.mark.parametrize(("room", "name", "tree"), MODULES, ids=IDS)
def test_the_core_does_no_io_and_reads_no_clock(room: str, name: str, tree: ast.Module) -> None:
    if FLOORS[room] >= 6:
        return
    touched = {imported.split(".")[0] for imported in imports(tree)} & OUTSIDE
    assert not touched, f"{name} imports {touched}"
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not calls & {"now", "today", "utcnow"} - {"now"} or room == "host", f"{name} reads the calendar"
    for node in ast.walk(tree):
        reads = (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "now"
        )
        assert not reads, f"{name} asks for the time"
        opens = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("open", "print")
        )
        assert not opens or name.endswith(".diagram"), f"{name} opens or prints"


@pytest.mark.parametrize(("room", "name", "tree"), MODULES, ids=IDS)
def test_a_library_has_one_room(room: str, name: str, tree: ast.Module) -> None:
    for imported in imports(tree):
        library = imported.split(".")[0]
        if library in LIBRARIES:
            assert room in LIBRARIES[library], f"{name} imports {library}"
        elif library != PACKAGE:
            assert library in sys.stdlib_module_names, f"{name} imports {library}, which no room may"


def test_no_circle() -> None:
    known = set(IDS)
    arrows = {
        name: {
            target
            for imported in imports(tree)
            for target in (imported, imported.rpartition(".")[0])
            if target in known and target != name
        }
        for _, name, tree in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for target in arrows[name] - {PACKAGE}:
                visit(target, (*path, name))
            done.add(name)

    for name in arrows:
        visit(name, ())


@pytest.mark.parametrize(("room", "name", "tree"), MODULES, ids=IDS)
def test_functions_stop_at_forty_lines(room: str, name: str, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{name}.{node.name} has {lines} lines"
