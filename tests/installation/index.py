"""A package index as it may be tomorrow: each project has newer releases than any lock knows.

It stands on loopback before the index that pip is set up for, whose files it names as they are. Of a locked project it
lists the locked release, which keeps pages short; what is newer is made up, and can be installed, but never imported.
"""

import io
import json
import re
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from typing_extensions import override

JSON = "application/vnd.pypi.simple.v1+json"
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)

# No command of pip's tells the index that it takes when nothing is set, so this asks what its commands ask.
_OPTIONS = """
import json
from pip._internal.commands import create_command
options, _ = create_command("download").parse_args([])
print(json.dumps({name: getattr(options, name) for name in ("index_url", "cert", "proxy", "timeout")}))
"""


def normal(name: str) -> str:
    """The one spelling of a project's name that indexes use."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_in(lock: Path) -> dict[str, str]:
    """The version of each project in a lock, by its name as indexes spell it; those for other systems too."""
    return {normal(name): version for name, version in PIN.findall(lock.read_text(encoding="utf-8"))}


def extras_in(lock: Path) -> dict[str, set[str]]:
    """The extras that a lock takes of each project that it takes any of."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)\[([^]]+)\]==", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {normal(name): {normal(extra) for extra in extras.split(",")} for name, extras in found}


def version_of(filename: str) -> Version | None:
    """The version in a file's name; none where no installer of today reads that name."""
    try:
        return parse_wheel_filename(filename)[1] if filename.endswith(".whl") else parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None


def newer_than(releases: set[Version]) -> set[Version]:
    """What may be published next: a fix within every range that takes one of these, and the next major release."""
    fixes = {Version(f"{each.epoch}!{'.'.join(map(str, each.release))}.1") for each in releases}
    return fixes | {Version(f"{each.epoch}!{each.major + 1}.0") for each in releases}


def made_up_wheel(project: str, version: str) -> bytes:
    """A wheel that installs and holds nothing."""
    folder = f"{project.replace('-', '_')}-{version}.dist-info"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in (
            ("METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"),
            ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("RECORD", ""),
        ):
            # Its page has its hash, so the hour of its making must not be in it.
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), text)
    return held.getvalue()


@dataclass(slots=True)
class NewerIndex:
    """The pages of the index, each made when it is first asked for."""

    upstream: str
    client: httpx2.Client
    locked: Mapping[str, set[Version]]
    url: str = ""
    made_up: set[str] = field(default_factory=set[str])
    _pages: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])

    def page(self, project: str) -> bytes | None:
        """A project's page as JSON (PEP 691); none where no such project is."""
        if project not in self._pages:
            self._pages[project] = self._made(project)
        return self._pages[project]

    def _made(self, project: str) -> bytes | None:
        address = f"{self.upstream.rstrip('/')}/{project}/"
        answer = self.client.get(address, headers={"Accept": JSON}, follow_redirects=True)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        if not answer.headers.get("content-type", "").startswith("application/"):
            raise RuntimeError("The index that pip is set up for has no JSON pages (PEP 691).")
        listed = [(version_of(each["filename"]), each) for each in answer.json()["files"]]
        found = {version for version, _ in listed if version is not None}
        locked = self.locked.get(project, set[Version]())
        wanted = locked or found
        files = [
            {**each, "url": urljoin(str(answer.url), each["url"])} for version, each in listed if version in wanted
        ]
        newer = newer_than(locked | {max(found)}) - found if found else set[Version]()
        files += [self._newer_file(project, str(version)) for version in sorted(newer)]
        return json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": files}).encode()

    def _newer_file(self, project: str, version: str) -> dict[str, Any]:
        self.made_up.add(f"{project}=={version}")
        digest = sha256(made_up_wheel(project, version)).hexdigest()
        name = f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
        return {"filename": name, "url": f"{self.url}/made-up/{project}/{name}", "hashes": {"sha256": digest}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, index: NewerIndex, *rest: object) -> None:
        self.index = index
        super().__init__(*rest)  # type: ignore[arg-type]  # handed on

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "simple":
            page = self.index.page(normal(rest))
            self._answer(page, JSON)
        else:
            project, _, name = rest.partition("/")
            self._answer(made_up_wheel(project, name.split("-")[1]), "application/zip")

    def _answer(self, body: bytes | None, kind: str) -> None:
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: pip says what it did not get."""


def pip_options() -> dict[str, Any]:
    """The index and how to reach it, as pip's own configuration has it on this machine."""
    answer = subprocess.run([sys.executable, "-c", _OPTIONS], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def releases_in(lock: Path) -> Iterator[tuple[str, Version]]:
    """Each project in a lock with its release, or its releases where each Python has another."""
    found = PIN.findall(lock.read_text(encoding="utf-8"))
    return ((normal(name), Version(version)) for name, version in found)


@contextmanager
def newer_index(locks: list[Path]) -> Generator[NewerIndex]:
    """Serve until the block ends; `url` of what is yielded is what pip takes for `PIP_INDEX_URL`, less `/simple`."""
    options = pip_options()
    locked: dict[str, set[Version]] = {}
    for name, version in (release for lock in locks for release in releases_in(lock)):
        locked.setdefault(name, set()).add(version)
    trusted = ssl.create_default_context(cafile=options["cert"])
    with httpx2.Client(verify=trusted, proxy=options["proxy"] or None, timeout=options["timeout"]) as client:
        index = NewerIndex(options["index_url"], client, locked)
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, index)) as server:
            index.url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield index
            finally:
                server.shutdown()
