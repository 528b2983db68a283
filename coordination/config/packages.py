"""Packages that a server's command fetches when it starts, and whether they are pinned to an exact version.

What a plan pins of a server covers files that are there, and words. `npx some-server` is the same words for every
release.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, kw_only=True)
class _Runner:
    """How a program that fetches packages is called.

    Attributes:
        verbs: the words that come before the package; none: the package comes first.
        named: options whose value is the package.
        valued: other options that have a value.
        pinned: how an exact version is written.
    """

    verbs: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    valued: tuple[str, ...] = ()
    pinned: str


_NODE, _PYTHON = "{}@1.2.3", "{}==1.2.3"
_UV = ("--python", "-p", "--with", "--with-requirements", "--index", "--default-index", "--index-url", "--directory")
_RUNNERS: dict[str, tuple[_Runner, ...]] = {
    "npx": (_Runner(named=("--package", "-p"), valued=("--call", "-c", "--workspace", "-w"), pinned=_NODE),),
    "bunx": (_Runner(named=("--package", "-p"), pinned=_NODE),),
    "npm": (_Runner(verbs=("exec",), named=("--package",), valued=("--call", "-c"), pinned=_NODE),),
    "pnpm": (_Runner(verbs=("dlx",), named=("--package",), pinned=_NODE),),
    "yarn": (_Runner(verbs=("dlx",), named=("--package", "-p"), pinned=_NODE),),
    "uvx": (_Runner(named=("--from",), valued=_UV, pinned=_PYTHON),),
    "uv": (_Runner(verbs=("tool", "run"), named=("--from",), valued=_UV, pinned=_PYTHON),),
    "pipx": (
        _Runner(verbs=("run",), named=("--spec",), valued=("--python", "--index-url", "--pip-args"), pinned=_PYTHON),
    ),
}
_EXACT = re.compile(r"(?:@|===?)v?\d+(?:\.\d+)+[\w.!+-]*\Z|@[0-9a-f]{40}\Z|#[0-9a-f]{40}\Z")
_ELSEWHERE = re.compile(r"[./~]|[a-z]:\\|file:|https?:|.*\$\{", re.IGNORECASE)
"""Files, which the fingerprint covers; addresses; and what only a variable says."""

_VERSION = re.compile(r"(?<=.)(?:@[^@/]*|[=<>~!;].*)\Z")


def unpinned_package(command: str, arguments: Sequence[str]) -> tuple[str, str] | None:
    """The package that is fetched in whatever version there is, and how to write it with one; None: there is none."""
    program = PurePath(command.replace("\\", "/")).name.lower()
    for runner in _RUNNERS.get(re.sub(r"\.(?:cmd|exe|ps1)\Z", "", program), ()):
        for package in _packages(runner, arguments):
            if not _EXACT.search(package) and not _ELSEWHERE.match(package):
                return package, runner.pinned.format(_VERSION.sub("", package))
    return None


def _packages(runner: _Runner, arguments: Sequence[str]) -> list[str]:
    """What is fetched: the packages that options name, else the first word that is no option."""
    verbs, named, first = list(runner.verbs), list[str](), ""
    words = iter(arguments)
    for word in words:
        option, sign, value = word.partition("=")
        if word.startswith("-") and word != "-":
            if option in runner.named:
                named.append(value if sign else next(words, ""))
            elif option in runner.valued and not sign:
                next(words, "")
        elif verbs:
            if word != verbs.pop(0):
                return []
        else:
            first = word
            break
    return [each for each in named or [first] if each]
