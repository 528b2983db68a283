"""What a server's settings come to on this machine: one keyed fingerprint of them, and what of them people may see.

The fingerprint covers resolved values and the files that the command names. It says that something differs, never what
anything is: without the installation's key nobody can try values against it.
"""

import hashlib
import hmac
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from mcp.client.stdio import get_default_environment

from coordination.mcp_tools.http_transport import proxy_of
from coordination.ports import AUTH_ENTRY, ServerSpec

_NO_COORDINATES = frozenset({"start_timeout", "call_timeout", "rotates", "is_optional", "is_ours", "is_pinned"})
"""Fields of a spec that don't change where a call goes; any other, and any that is added, is under the fingerprint."""

_INTERPRETER = re.compile(
    r"(python|pypy|node|deno|bun|ruby|perl|php|lua|java|tsx|ts-node|(ba|da|z|k)?sh)[\d.]*(\.exe)?"
)
_PROGRAMS = (".py", ".pyz", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb", ".sh", ".pl", ".php", ".lua", ".jar", ".wasm")
_SETTINGS = (".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf", ".env", ".lock")
_PACKAGE_FILES = (
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "requirements.txt",
    "Gemfile.lock",
)
_MAX_MODULES = 5_000
_LEVELS = 3
"""How many folders, a program's own included, are searched upwards for the files of its package."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A server as its settings have it at one moment.

    Attributes:
        digest: 64 hexadecimal digits, of one key only: equal if and only if nothing differs that would matter.
        target: where calls go, for people: a host, or a command and its program; holds no secret.
    """

    digest: str
    target: str


class Fingerprints:
    """Makes fingerprints under one installation's key. May be used by several threads."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._contents: dict[str, tuple[tuple[int, ...], str]] = {}

    def of(self, spec: ServerSpec) -> Fingerprint:
        """The fingerprint now. Reads files that it has not seen in this form, so it may take a moment."""
        covered: dict[str, object] = {"settings": _values(spec)}
        command = _Command(spec)
        if spec.transport == "stdio":
            covered["home"] = command.environ.get("HOME", "")
            covered["folders"] = sorted(command.folders())
            covered["files"] = {path: [os.path.realpath(path), self._content(path)] for path in command.files()}
        elif spec.url.lower().startswith("http:"):
            # Whoever carries a request that is not encrypted reads it, and may answer it.
            covered["proxy"] = _proxy(spec.url)
        text = json.dumps(covered, sort_keys=True)
        digest = hmac.new(self._key, f"massgen-bot/settings\n{text}".encode(), hashlib.sha256).hexdigest()
        return Fingerprint(digest=digest, target=command.shown() if spec.transport == "stdio" else _host(spec.url))

    def _content(self, path: str) -> str:
        """The digest of a file's bytes; read again only if the file is another one, or was written to."""
        try:
            about = os.stat(path)  # noqa: PTH116  # of many paths, often
            stamp = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
            known = self._contents.get(path)
            if known is None or known[0] != stamp:
                with Path(path).open("rb") as file:
                    known = stamp, hashlib.file_digest(file, "sha256").hexdigest()
                self._contents[path] = known
        except OSError as error:
            return f"can't be read ({error.errno})"
        return known[1]


def _values(spec: ServerSpec) -> Mapping[str, object]:
    """Every field of a spec with its value, except values that the operator lets change."""
    values = {name: value for name, value in asdict(spec).items() if name not in _NO_COORDINATES}
    for pairs in ("env", "headers"):
        values[pairs] = {name: None if name in spec.rotates else value for name, value in getattr(spec, pairs)}
    if spec.auth is not None and AUTH_ENTRY in spec.rotates:
        values["auth"]["secret"] = None
    return values


def _proxy(url: str) -> str | None:
    try:
        return proxy_of(url)
    except ValueError:
        return None


def _host(url: str) -> str:
    """The host, and the port if it is not the usual one: never a user, a path or a query, which may be secrets."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{host}:{port}" if port else host


class _Command:
    """A command as the operating system will find it, from the folder and in the environment that it gets."""

    def __init__(self, spec: ServerSpec) -> None:
        self._spec = spec
        self.environ = {**get_default_environment(), **dict(spec.env)}
        self._folder = Path(spec.cwd or ".").absolute()
        self._program = self._found(spec.command)

    def shown(self) -> str:
        """The command's name, and the program that it is given. Other arguments may be secrets."""
        command = Path(self._program or self._spec.command).name
        named = next((word for word in self._spec.args if not word.startswith("-")), None)
        script = named and self._script(named)
        if script:
            home = self.environ.get("HOME", "")
            return f"{command} {'~' + script.removeprefix(home) if home and script.startswith(home + '/') else script}"
        return f"{command} {named}" if named and json.dumps(named) in self._spec.identity else command

    def folders(self) -> Iterator[str]:
        """The folders that the arguments name."""
        for text in self._named():
            path = self._folder / text
            if _is(path.is_dir):
                yield str(path)

    def files(self) -> list[str]:
        """What is run: the command, what interprets it, the programs and settings that it is given, their packages."""
        programs = [*self._interpreters(self._program), *self._scripts()]
        packages = [package for path in programs for package in _package_files(Path(os.path.realpath(path)).parent)]
        packages += [package for folder in self.folders() for package in _package_files(Path(folder))]
        return sorted({*programs, *packages})

    def _named(self) -> Iterator[str]:
        """Every argument that could be a path; of an option with a value, the value."""
        for word in self._spec.args:
            text = word.partition("=")[2] if word.startswith("-") else word
            if text and "\0" not in text and len(text) < 4096:
                yield text

    def _scripts(self) -> Iterator[str]:
        bases = [self._folder, *(Path(folder) for folder in self.folders())]
        first = next((word for word in self._spec.args if not word.startswith("-")), None)
        for text in self._named():
            for path in (base / text for base in bases):
                if _is(path.is_file) and ((text == first and self._interprets()) or _is_program(path)):
                    yield str(path)
        if "-m" in self._spec.args[:-1] and self._interprets():
            yield from self._module(self._spec.args[self._spec.args.index("-m") + 1])

    def _script(self, named: str) -> str | None:
        path = self._folder / named
        return str(path) if _is(path.is_file) and (self._interprets() or _is_program(path)) else None

    def _interprets(self) -> bool:
        return _INTERPRETER.fullmatch(Path(self._spec.command).name.lower()) is not None

    def _module(self, name: str) -> Iterator[str]:
        """The file of a Python module, or all of a package that is run: from where the interpreter finds it first."""
        below = name.replace(".", "/")
        for base in self._module_folders():
            if _is((base / below / "__main__.py").is_file):
                yield from map(str, islice(sorted((base / below).rglob("*.py")), _MAX_MODULES))
                return
            if _is((base / f"{below}.py").is_file):
                yield str(base / f"{below}.py")
                return

    def _module_folders(self) -> Iterator[Path]:
        yield self._folder
        yield from (self._folder / part for part in self.environ.get("PYTHONPATH", "").split(os.pathsep) if part)
        if self._program is not None:
            yield from sorted(Path(self._program).parent.parent.glob("lib/python3*/site-packages"))
            if self._program == sys.executable:
                yield from map(Path, sys.path)

    def _interpreters(self, program: str | None) -> Iterator[str]:
        """A program, and what its first line says that interprets it."""
        for _ in range(_LEVELS):
            if program is None:
                return
            yield program
            program = self._found(_interpreter_of(program))

    def _found(self, command: str) -> str | None:
        if not command:
            return None
        found = shutil.which(command, path=self.environ.get("PATH"))
        return str(self._folder / found) if found else None


def _interpreter_of(program: str) -> str:
    """What a script's first line names; empty for a program that is none."""
    try:
        with Path(program).open("rb") as file:
            line = file.readline(256)
    except OSError:
        return ""
    words = line.decode(errors="replace").removeprefix("#!").split() if line.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else ""


def _package_files(folder: Path) -> list[str]:
    """The files that say what a program's package is made of, from the nearest folder that has any."""
    for level in (folder, *folder.parents)[:_LEVELS]:
        found = [str(level / name) for name in _PACKAGE_FILES if _is((level / name).is_file)]
        if found:
            return found
    return []


def _is_program(path: Path) -> bool:
    return path.suffix.lower() in (*_PROGRAMS, *_SETTINGS) or path.name == ".env" or os.access(path, os.X_OK)


def _is(question: Callable[[], bool]) -> bool:
    """The answer of a path, or no where it can't even be asked: an argument may be any text."""
    try:
        return question()
    except (OSError, ValueError):
        return False
