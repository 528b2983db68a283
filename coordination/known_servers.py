"""What shows what a call would change, for published servers: by the name that each reports, and by tool.

All of it is from the sources of published servers. A read is taken only if its answer stays the same while nothing
changes: no times of access, no addresses that expire, no counts.
"""

from collections.abc import Mapping, Sequence

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.preview import RESOURCE, Preview


def _read(
    tool: str, arguments: Mapping[str, Json], *, shows: str = "", after: str = "", missing: str = "", edits: str = ""
) -> Preview:
    return Preview(
        server="",
        tool=tool,
        arguments=canonical(dict(arguments)),
        shows=shows,
        after=after,
        missing=missing,
        edits=edits,
        is_ready_made=True,
    )


def _named(*names: str, **fixed: str) -> dict[str, Json]:
    """Arguments that the call has under the same names, and those that are always the same."""
    return {**{name: f"$.{name}" for name in names}, **fixed}


_NOT_THERE = "ENOENT: *"
_FILE = _read("read_text_file", _named("path"), after="$.content", missing=_NOT_THERE)

_FILESYSTEM: Mapping[str, Sequence[Preview]] = {
    "write_file": (_FILE,),
    "edit_file": (_read("read_text_file", _named("path"), missing=_NOT_THERE, edits="$.edits"),),
    # The server says that it refuses to replace a file, and replaces it.
    "move_file": (
        _read("read_text_file", {"path": "$.source"}),
        _read("read_text_file", {"path": "$.destination"}, missing=_NOT_THERE),
    ),
    "create_directory": (_read("list_directory", _named("path"), missing=_NOT_THERE),),
}

_REPOSITORY = _named("repo_path")
_STATUS = _read("git_status", _REPOSITORY)
_STAGED = _read("git_diff_staged", _REPOSITORY)

_GIT: Mapping[str, Sequence[Preview]] = {
    "git_add": (_STATUS,),
    "git_commit": (_STAGED,),
    "git_reset": (_STAGED,),
    "git_checkout": (_STATUS,),
    "git_create_branch": (_read("git_branch", _named("repo_path", branch_type="local")),),
}

_OF_A_FILE = _named("owner", "repo", "path") | {"ref": "$.branch"}
_NO_FILE = "Failed to get file contents. The path does not point to a file or directory, *"
_ISSUE = _named("owner", "repo", "issue_number")
_PULL = _named("owner", "repo", "pullNumber")


def _fields(tool: str, arguments: Mapping[str, Json], *names: str) -> tuple[Preview, ...]:
    """Those parts of one answer that a call may replace, each beside what takes its place."""
    return tuple(_read(tool, arguments, shows=f"$.{name}", after=f"$.{name}") for name in names)


_OF_AN_ISSUE = ("title", "body", "state", "labels", "assignees")
_OF_A_PULL = ("title", "body", "state", "draft")

_GITHUB: Mapping[str, Sequence[Preview]] = {
    "create_or_update_file": (
        _read("get_file_contents", _OF_A_FILE, shows=RESOURCE, after="$.content", missing=_NO_FILE),
    ),
    "delete_file": (_read("get_file_contents", _OF_A_FILE, shows=RESOURCE),),
    "issue_write": _fields("issue_read", _ISSUE | {"method": "get"}, *_OF_AN_ISSUE),
    "update_issue": _fields("get_issue", _ISSUE, "title", "body", "state"),
    "update_pull_request": _fields("pull_request_read", _PULL | {"method": "get"}, *_OF_A_PULL),
    # Whether it can be merged is worked out after the first question, so what is merged is shown instead.
    "merge_pull_request": (
        _read("pull_request_read", _PULL | {"method": "get_diff"}),
        _read("get_pull_request_diff", _PULL),
    ),
}

_PAGE = _named("page_id")

_NOTION: Mapping[str, Sequence[Preview]] = {
    "API-patch-page": (_read("API-retrieve-a-page", _PAGE, shows="$.properties"),),
    "API-move-page": (_read("API-retrieve-a-page", _PAGE, shows="$.parent", after="$.parent"),),
    "API-update-page-markdown": (_read("API-retrieve-page-markdown", _PAGE, shows="$.markdown"),),
    "API-update-a-data-source": (_read("API-retrieve-a-data-source", _named("data_source_id"), shows="$.properties"),),
}

# No query that reads can be made safely of one that writes: which tables there are is all that can be shown. Of
# PostgreSQL not even that: its servers ask for a schema. Notion's hosted server tells the time with every page.
_SQLITE: Mapping[str, Sequence[Preview]] = {
    "write_query": (_read("list_tables", {}),),
    "create_table": (_read("list_tables", {}),),
}

KNOWN_SERVERS: Mapping[str, Mapping[str, Sequence[Preview]]] = {
    "secure-filesystem-server": _FILESYSTEM,
    "mcp-git": _GIT,
    "github-mcp-server": _GITHUB,
    "Notion API": _NOTION,
    "sqlite": _SQLITE,
}
