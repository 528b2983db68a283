"""From a file, or its text, to settings, or to every complaint about it at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from coordination.config.agents import AgentReader, AgentSettings, WrittenAgent
from coordination.config.diagnostics import Report, mismatch, printable
from coordination.config.interpolation import put_in
from coordination.config.loader import OnceReader
from coordination.config.nodes import Table
from coordination.config.run_settings import Settings
from coordination.config.section_reader import Reader
from coordination.config.sections_sections import TOP
from coordination.config.server_book import ServerBook
from coordination.config.servers import ServerReader, WrittenServer
from coordination.config.tool_policy import WrittenRule, read_rules
from coordination.config.yaml_tree import MAX_BYTES, read
from coordination.errors import ConfigError
from coordination.ports import ServerSpec


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file.

    Raises:
        ConfigError: with every problem of the file, one line each.
    """
    return parse(read_text(path), origin=str(path), environ=environ)


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: there is no such file, it can't be read, or it is no text.
    """
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([f"{name}: {mismatch('no such file', 'a configuration file')}"]) from None
    except (OSError, ValueError):
        raise ConfigError([f"{name}: {mismatch('something that can not be read', 'a configuration file')}"]) from None
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{name}:1: {mismatch(f'more than {MAX_BYTES // 1000} kB', 'a smaller file')}"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{name}:{line}: {mismatch('bytes that are no UTF-8 text', 'a text file')}"]) from None


def parse(text: str, *, origin: str, environ: Mapping[str, str] | None) -> Settings:
    """The settings of a text. Relative paths in it begin where `origin`, the file's path, is.

    Without an environment, variables stay as they are written (one with a default has that) and no key is missed:
    enough to check a configuration, not to run it.

    Raises:
        ConfigError: with every problem of the text, one line each.
    """
    report = Report(origin)
    written = read(text, report)
    if written is None:
        raise ConfigError(report.render())
    settings = _Assembly(put_in(written, environ, report), report, origin, environ).settings(text)
    report.raise_if_any()
    return settings


class _Assembly:
    """One reading of one tree."""

    def __init__(self, root: Table, report: Report, origin: str, environ: Mapping[str, str] | None) -> None:
        folder = Path(origin).absolute().parent
        self._root = root
        self._report = report
        self._origin = origin
        self._reader = Reader(report)
        self._servers = ServerReader(self._reader, folder)
        self._agents = AgentReader(self._reader, self._servers, folder, environ)
        self._once = OnceReader(self._reader, root)

    def settings(self, text: str) -> Settings:
        """The settings; worth nothing if there are complaints."""
        self._reader.section(TOP, self._root, ())
        self._once.ui()
        shared = self._servers.servers(self._root, ())
        written = self._agents.written(self._root)
        names = frozenset(server.name for server in (*shared, *(each for agent in written for each in agent.servers)))
        rules = read_rules(self._reader, self._root, names | self._servers.broken)
        agents = self._settled(written, shared, rules, names)
        limits = self._once.limits()
        knobs = self._once.knobs(limits)
        policy, allow_requester, allow_author = self._once.approval()
        return Settings(
            origin=self._origin,
            text=text,
            agents=agents,
            servers=_once_each([server.spec for server in shared], agents),
            knobs=knobs,
            policy=policy,
            allow_requester=allow_requester,
            allow_author=allow_author,
            asks_external=self._once.ask().external,
            limits=limits,
            patterns=tuple(rule.pattern for rule in rules),
            warnings=self._report.warnings(),
        )

    def _settled(
        self,
        written: Sequence[WrittenAgent],
        shared: Sequence[WrittenServer],
        rules: Sequence[WrittenRule],
        names: frozenset[str],
    ) -> tuple[AgentSettings, ...]:
        book = ServerBook(self._reader, shared, names)
        found = [self._agents.settings(agent, shared=shared, book=book, rules=rules) for agent in written]
        return tuple(agent for agent in found if agent is not None)


def _once_each(shared: Sequence[ServerSpec], agents: Sequence[AgentSettings]) -> tuple[ServerSpec, ...]:
    by_name = {spec.name: spec for agent in agents for spec in agent.servers}
    return tuple(({spec.name: spec for spec in shared} | by_name).values())
