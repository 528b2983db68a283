"""What is the same server written twice, and what each server is called in a run."""

from collections.abc import Sequence
from dataclasses import replace

from coordination.config.diagnostics import mismatch
from coordination.config.section_reader import Reader
from coordination.config.servers import WrittenServer


class ServerBook:
    """Gives every server of the file one name in the run: the same server written twice is one.

    Two agents may write one kind of server with other values, such as a token of their own. Each such server keeps
    apart from the others under a name of its own, because a plan must say which of them is to act.
    """

    def __init__(self, reader: Reader, shared: Sequence[WrittenServer], names: frozenset[str]) -> None:
        self._report = reader.report
        self._taken = set(names)
        self._shared = {server.name: server for server in shared}
        self._owned: dict[str, list[WrittenServer]] = {}

    def entered(self, server: WrittenServer, agent: int) -> WrittenServer:
        """The server under the name that it has in the run."""
        others = self._owned.setdefault(server.name, [])
        first = self._shared.get(server.name) or (others[0] if others else None)
        if first is None:
            others.append(server)
            return server
        if not server.is_like(first) or (server.name in self._shared and not server.is_same_as(first)):
            self._refuse(server, first)
            return server
        known = [first, *others]
        same = next((each for each in known if each.values == server.values), None)
        if same is not None:
            return replace(server, spec=same.spec)
        return self._variant(server, first, agent)

    def _variant(self, server: WrittenServer, first: WrittenServer, agent: int) -> WrittenServer:
        number = agent
        while f"{server.name}_{number}" in self._taken:
            number += 1
        name = f"{server.name}_{number}"
        self._taken.add(name)
        variant = replace(server, spec=replace(server.spec, name=name))
        self._owned[server.name].append(variant)
        text = (
            f"other values in env, headers or auth than in line {first.line}: each such agent gets a server of its own, "
            f"which plans call {name} and so on, by the agent's number; rules for {server.name} hold for it too"
        )
        self._report.warn(server.line, server.path, text, once_for=f"servers called {server.name}")
        return variant

    def _refuse(self, server: WrittenServer, first: WrittenServer) -> None:
        found = f"another server {server.name} than in line {first.line}"
        self._report.complain(server.line, server.path, mismatch(found, "the same server, or another name"))
