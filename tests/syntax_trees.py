"""The project's own source, read and parsed once a process: several tests look through all of it."""

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def text_of(path: Path) -> str:
    """What a source file says."""
    return path.read_text(encoding="utf-8")


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module, in no particular order. They are kept: the collector need not visit millions of them again."""
    gc.disable()
    try:
        nodes = tuple(ast.walk(ast.parse(text_of(path), filename=str(path))))
    finally:
        gc.enable()
    gc.freeze()
    return nodes
