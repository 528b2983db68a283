"""Fuzzes one subject in a process of its own: `python -m tests.fuzz.one NAME [OPTIONS OF LIBFUZZER]`."""

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, cast

from tests.fuzz.targets import TARGETS


class Atheris(Protocol):
    """What is used of the fuzzer, which is not in the environment of the tests."""

    def instrument_imports(self, include: Sequence[str]) -> AbstractContextManager[None]: ...

    def Setup(self, args: Sequence[str], test: Callable[[bytes], object]) -> object: ...  # noqa: N802  # its name

    def Fuzz(self) -> None: ...  # noqa: N802  # likewise


def main(name: str, options: Sequence[str]) -> None:
    """Go on until an input fails, or the time is over; libFuzzer then ends the process."""
    atheris = cast("Atheris", importlib.import_module("atheris"))
    target = TARGETS[name]
    with atheris.instrument_imports(include=list(target.packages)):
        importlib.import_module("tests.conftest")
        check = target.check()
    atheris.Setup([name, *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
