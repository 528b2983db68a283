"""A server that is fetched at its start in whatever version there is: what runs is then not what was approved."""

import pytest

from coordination.config import parse
from coordination.config.packages import unpinned_package

AGENT = "agents: [{id: a, backend: {type: scripted, script: {}}}]\n"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("npx -y mcp-discord", ("mcp-discord", "mcp-discord@1.2.3")),
        ("npx -y mcp-discord@latest", ("mcp-discord@latest", "mcp-discord@1.2.3")),
        ("npx -y mcp-discord@^1.2.3", ("mcp-discord@^1.2.3", "mcp-discord@1.2.3")),
        ("npx -y @scope/server --flag", ("@scope/server", "@scope/server@1.2.3")),
        ("/usr/bin/npx.cmd --yes --package=some-tool run-it", ("some-tool", "some-tool@1.2.3")),
        ("npx -p one@1.2.3 -p two run-it", ("two", "two@1.2.3")),
        ("npm exec --yes server", ("server", "server@1.2.3")),
        ("bunx server", ("server", "server@1.2.3")),
        ("pnpm dlx server", ("server", "server@1.2.3")),
        ("uvx mcp-server", ("mcp-server", "mcp-server==1.2.3")),
        ("uvx --python 3.12 mcp-server[all]>=2", ("mcp-server[all]>=2", "mcp-server[all]==1.2.3")),
        ("uvx --from git+https://example.org/x mcp", ("git+https://example.org/x", "git+https://example.org/x==1.2.3")),
        ("uv tool run mcp-server", ("mcp-server", "mcp-server==1.2.3")),
        ("pipx run --spec mcp-server mcp", ("mcp-server", "mcp-server==1.2.3")),
        ("npx -y mcp-discord@1.3.4", None),
        ("npx -y @scope/server@2026.8.31-rc.1", None),
        ("uvx mcp-server==1.2", None),
        ("uvx mcp-server@1.2.3", None),
        ("uvx --from git+https://example.org/x@0123456789abcdef0123456789abcdef01234567 mcp", None),
        ("npx ./server", None),
        ("npx -y ${SERVER}", None),
        ("npx -y server@${VERSION}", None),
        ("npm run server", None),
        ("uv run server.py", None),
        ("pipx list", None),
        ("python -m server", None),
        ("npx", None),
    ],
)
def test_a_package_without_an_exact_version_is_found(line: str, found: tuple[str, str] | None) -> None:
    command, *arguments = line.split()
    assert unpinned_package(command, arguments) == found


def test_a_configuration_is_warned_of_once_for_each_such_server_with_what_to_write() -> None:
    text = (
        f"{AGENT}mcp_servers:\n"
        "  board: {command: npx, args: ['-y', some-board, '${TOKEN}']}\n"
        "  files:\n    command: npx -y server-files@2.0.1 /srv\n"
        "  notes: {command: [uvx, notes-server]}\n"
    )
    first, second = parse(text, origin="ops.yaml", environ={"TOKEN": "canary"}).warnings
    assert first.startswith("ops.yaml:3: mcp_servers.board: some-board is fetched in the version that is current")
    assert first.endswith("pin an exact version, such as some-board@1.2.3")
    assert second.startswith("ops.yaml:6: mcp_servers.notes: notes-server is fetched")
    assert second.endswith("such as notes-server==1.2.3")
