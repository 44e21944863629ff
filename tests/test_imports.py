"""Imports run downward only: each folder knows those below it, and no two know each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import segcritic

ROOT = Path(segcritic.__file__).parent
FLOORS = (
    ("__main__",),
    ("cli",),
    ("report",),
    ("api",),
    ("models",),
    ("search",),
    ("stateless", "recurrent", "boundary_net"),
    ("rules", "training", "nn", "datasets"),
    ("superpixels", "graph", "metrics", "io"),
    ("pixels",),
    ("errors",),
)
"""From the top down; what stands together on a floor does not know each other, but for the pairs below."""
BESIDE = {("superpixels", "graph"), ("graph", "superpixels"), ("metrics", "io"), ("training", "rules")}
LAZY = {"api", "cli", "__init__", "__main__"}
"""May import inside functions, where it buys start-up time."""


def floor(part: str) -> int:
    """Number of the floor of a folder or file, 0 at the top."""
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def part_of(module: str) -> str:
    """The folder or file of the package that a module lies in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_module(name: str) -> bool:
    """Whether a dotted name is a file or folder of the package."""
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imports(path: Path) -> Iterator[tuple[ast.AST, str, bool]]:
    """Every import of ours in a file: the node, the module, and whether it stands inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "segcritic":
            for alias in node.names:  # a module of the package, or what the module itself holds
                whole = f"{node.module}.{alias.name}"
                yield node, whole if is_module(whole) else node.module, id(node) in inside
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "segcritic":
                    yield node, alias.name, id(node) in inside


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_downward(path):
    mine = path.relative_to(ROOT).with_suffix("").parts[0]
    for node, module, inside in imports(path):
        other = part_of(module)
        where = f"{path.relative_to(ROOT)}, line {node.lineno}: {module}"
        assert not inside or mine in LAZY, f"{where} is imported inside a function"
        if mine == "__init__" or other == mine:
            continue
        assert other != "__init__", f"{where} is the face of the package"
        assert floor(other) > floor(mine) or (mine, other) in BESIDE, f"{where} lies above"


def test_no_two_files_import_each_other():
    graph = {}
    for path in FILES:
        name = ".".join(("segcritic", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {module for _, module, _ in imports(path)}
    known = set(graph)
    # A symbol imported from a package is the package's; a package's own face does not make a circle with its files.
    edges = {name: {m for m in modules if m in known and m != name} for name, modules in graph.items()}

    def reach(start: str) -> set[str]:
        seen, front = set(), list(edges[start])
        while front:
            here = front.pop()
            if here not in seen:
                seen.add(here)
                front += edges[here]
        return seen

    assert not [name for name in edges if name in reach(name)]
