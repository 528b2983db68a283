"""The command line: every command, its arguments and its options.

The work is done in the modules that each one loads.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cards.error_messages import notice_for
from bot.i18n import catalog, catalog_for, speaking
from bot.telemetry.log_lines import keep_logs
from bot.terminal.cli_context import CliContext, PresetDecision, process_catalog
from bot.terminal.cli_context import help_text as _help
from bot.terminal.error_handler import Exit, reported
from bot.terminal.serve_commands import register_discord, register_slack, register_up
from bot.terminal.usage import run
from coordination.errors import ConfigError

if TYPE_CHECKING:
    from bot.application import Overrides


def preset_decision(*, approve: bool, reject: bool, reason: str) -> PresetDecision | None:
    """What the flags mean together.

    Raises:
        BadParameter: they contradict each other.
    """
    if approve and reject:
        raise typer.BadParameter(catalog.text("usage.both"))
    if reason and not reject:
        raise typer.BadParameter(catalog.text("usage.reason"))
    return PresetDecision(approves=approve, reason=reason) if approve or reject else None


# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once


app = typer.Typer(
    name="massgen-bot",
    help=_help("help.massgen_bot"),
    epilog=_help("help.epilog"),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
audit = typer.Typer(help=_help("help.audit"), no_args_is_help=True, rich_markup_mode=None)
app.add_typer(audit, name="audit")
doctor = typer.Typer(help=_help("help.doctor"), no_args_is_help=True, rich_markup_mode=None)
app.add_typer(doctor, name="doctor")
policy = typer.Typer(help=_help("help.policy"), no_args_is_help=True, rich_markup_mode=None)
app.add_typer(policy, name="policy")
grants = typer.Typer(help=_help("help.grants"), rich_markup_mode=None, invoke_without_command=True)
app.add_typer(grants, name="grants")
chat_tools = typer.Typer(help=_help("help.chat_tools"), no_args_is_help=True, rich_markup_mode=None)
app.add_typer(chat_tools, name="chat-tools")


_context = CliContext(environ=dict(os.environ))

_SERVE = (["up"], ["worker"], ["discord"], ["discord", "run"], ["slack"])
"""Commands that nobody sits before: without a terminal, their log is collected from standard error."""

_WITH_TASK = 3

RunName = Annotated[str, typer.Argument(metavar="RUN", help=_help("help.run_name"))]
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help=_help("help.tenant"))]
Config = Annotated[str, typer.Option("--config", "-c", metavar="FILE", help=_help("help.config"))]
Approves = Annotated[bool, typer.Option("--approve", help=_help("help.option_approve"))]
Rejects = Annotated[bool, typer.Option("--reject", help=_help("help.option_reject"))]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help=_help("help.reason"))]
CancelReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help=_help("help.cancel_reason"))]
Emits = Annotated[bool, typer.Option("--events", help=_help("help.events"))]
Digest = Annotated[str, typer.Option("--digest", metavar="DIGEST", help=_help("help.digest"))]


def main(
    arguments: Sequence[str] | None = None,
    overrides: "Callable[[], Overrides] | None" = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Run the command line, and end the process with its exit status.

    `environ` is that of the process, if not given.
    """
    global _context  # noqa: PLW0603  # typer's commands are functions of the module, and so is what they find around them
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a sign that the encoding lacks must not end a run
    environ = dict(os.environ if environ is None else environ)
    words = list(sys.argv[1:] if arguments is None else arguments)
    rest = [word for word in words if word not in ("-v", "--verbose", "--no-work")]
    serves = rest in _SERVE or (rest[:1] == ["worker"] and rest[1:2] == ["--only"] and len(rest) == _WITH_TASK)
    _context = CliContext(environ=environ, overrides=overrides, serves=serves)
    with speaking(process_catalog(environ)):
        sys.exit(run(app, words, "massgen-bot"))


def _show_version(value: bool) -> None:
    if value:
        try:
            typer.echo(f"massgen-bot {version('massgen-bot')}")
        except PackageNotFoundError:
            typer.echo("massgen-bot (not installed)")
        raise typer.Exit


@app.callback()
def _start(
    *,
    is_verbose: Annotated[bool, typer.Option("--verbose", "-v", help=_help("help.verbose"))] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help=_help("help.version"))
    ] = False,
) -> None:
    is_collected = _context.serves and not _context.stderr.isatty()
    try:
        keep_logs(_context.environment, is_verbose=is_verbose, collected_by=_context.stderr if is_collected else None)
        if _context.serves:
            from bot.telemetry.spans import start_tracing

            start_tracing(_context.environment)
        text = catalog_for(_context.environment.language).text
    except ConfigError as error:
        typer.echo(notice_for(error), err=True)
        raise typer.Exit(Exit.USAGE) from None
    for name, meant in _context.environment.misspelt():
        said = text("environment.misspelt", name=name, meant=meant) if meant else text("environment.unknown", name=name)
        _context.print_error(said)


@app.command("demo", help=_help("help.demo"))
@reported
def _demo(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help=_help("help.demo_prompt"))] = "",
    *,
    config: Annotated[str, typer.Option("--config", "-c", metavar="FILE", help=_help("help.demo_config"))] = "",
    approve: Approves = False,
    reject: Rejects = False,
    reason: Reason = "",
    events: Emits = False,
) -> int:
    from bot.terminal import run_commands

    preset = preset_decision(approve=approve, reject=reject, reason=reason)
    return run_commands.demo(_context, prompt, config=config, preset=preset, emits=events)


@app.command("run", help=_help("help.run"))
@reported
def _run(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help=_help("help.prompt"))],
    *,
    config: Config,
    approve: Approves = False,
    reject: Rejects = False,
    reason: Reason = "",
    events: Emits = False,
) -> int:
    from bot.terminal import run_commands

    preset = preset_decision(approve=approve, reject=reject, reason=reason)
    return run_commands.run(_context, prompt, config=config, preset=preset, emits=events)


@app.command("resume", help=_help("help.resume"))
@reported
def _resume(name: RunName, *, events: Emits = False) -> int:
    from bot.terminal import run_commands

    return run_commands.resume(_context, name, emits=events)


@app.command("approve", help=_help("help.approve"))
@reported
def _approve(
    name: RunName,
    *,
    digest: Digest = "",
    events: Emits = False,
    break_glass: Annotated[
        str | None, typer.Option("--break-glass", metavar="REASON", help=_help("help.break_glass"))
    ] = None,
) -> int:
    from bot.terminal import run_commands

    return run_commands.approve(_context, name, digest=digest, emits=events, break_glass=break_glass)


@app.command("reject", help=_help("help.reject"))
@reported
def _reject(name: RunName, *, reason: Reason = "", digest: Digest = "") -> int:
    from bot.terminal import run_commands

    return run_commands.reject(_context, name, digest=digest, reason=reason)


@app.command("changes", help=_help("help.changes"))
@reported
def _changes(
    name: RunName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help=_help("help.changes_text"))],
    *,
    digest: Digest = "",
    events: Emits = False,
) -> int:
    from bot.terminal import run_commands

    return run_commands.changes(_context, name, text, digest=digest, emits=events)


@app.command("select", help=_help("help.select"))
@reported
def _select(
    name: RunName,
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER…", help=_help("help.select_numbers"))],
    *,
    digest: Digest = "",
) -> int:
    from bot.terminal import edit_commands

    return edit_commands.select(_context, name, numbers, digest=digest)


@app.command("edit", help=_help("help.edit"))
@reported
def _edit(
    name: RunName,
    number: Annotated[int, typer.Argument(metavar="CALL", help=_help("help.edit_call"))],
    argument: Annotated[str, typer.Argument(metavar="ARGUMENT", help=_help("help.edit_argument"))] = "",
    *,
    value: Annotated[str | None, typer.Option("--value", metavar="TEXT", help=_help("help.edit_value"))] = None,
    digest: Digest = "",
) -> int:
    from bot.terminal import edit_commands

    return edit_commands.edit(_context, name, number, argument, value=value, digest=digest)


@app.command("rest", help=_help("help.rest"))
@reported
def _rest(name: RunName) -> int:
    from bot.terminal import edit_commands

    return edit_commands.link(_context, name, "rest")


@app.command("undo", help=_help("help.undo"))
@reported
def _undo(name: RunName) -> int:
    from bot.terminal import edit_commands

    return edit_commands.link(_context, name, "undo")


@app.command("withdraw", help=_help("help.withdraw"))
@reported
def _withdraw(name: RunName, *, digest: Digest = "") -> int:
    from bot.terminal import edit_commands

    return edit_commands.withdraw(_context, name, digest=digest)


@app.command("answer", help=_help("help.answer"))
@reported
def _answer(name: RunName, text: Annotated[str, typer.Argument(metavar="TEXT", help=_help("help.answer_text"))]) -> int:
    from bot.terminal import run_commands

    return run_commands.answer(_context, name, text)


@app.command("cancel", help=_help("help.cancel"))
@reported
def _cancel(name: RunName, *, reason: CancelReason = "") -> int:
    from bot.terminal import run_commands

    return run_commands.cancel(_context, name, reason=reason)


@app.command("freeze", help=_help("help.freeze"))
@reported
def _freeze(tenant: Tenant = "") -> int:
    from bot.terminal import operator_commands

    return operator_commands.freeze(_context, tenant)


@app.command("thaw", help=_help("help.thaw"))
@reported
def _thaw(tenant: Tenant = "") -> int:
    from bot.terminal import operator_commands

    return operator_commands.thaw(_context, tenant)


@grants.callback()
def _grants(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _listed_grants()


@reported
def _listed_grants() -> int:
    from bot.terminal import grant_commands

    return grant_commands.listed(_context)


@grants.command("add", help=_help("help.grants_add"))
@reported
def _add_grant(
    name: RunName,
    *,
    call: Annotated[int, typer.Option("--call", metavar="NUMBER", min=1, help=_help("help.grants_call"))] = 1,
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help=_help("help.grants_for"))] = "24h",
    times: Annotated[int, typer.Option("--times", metavar="NUMBER", min=1, help=_help("help.grants_times"))] = 1,
    free: Annotated[list[str] | None, typer.Option("--any", metavar="ARGUMENT", help=_help("help.grants_any"))] = None,
    digest: Digest = "",
) -> int:
    from bot.terminal import grant_commands

    return grant_commands.add(_context, name, call=call, lasts=lasts, times=times, free=free or (), digest=digest)


@grants.command("revoke", help=_help("help.grants_revoke"))
@reported
def _revoke_grant(
    name: Annotated[str, typer.Argument(metavar="GRANT", help=_help("help.grants_name"))],
) -> int:
    from bot.terminal import grant_commands

    return grant_commands.revoke(_context, name)


@app.command("resolve", help=_help("help.resolve"))
@reported
def _resolve(
    name: RunName,
    verdict: Annotated[str, typer.Argument(metavar="happened|run-it|stop", help=_help("help.verdict"))] = "",
    *,
    call: Annotated[int, typer.Option("--call", metavar="NUMBER", show_default=False, help=_help("help.call"))] = 0,
    events: Emits = False,
) -> int:
    from bot.terminal import run_commands

    return run_commands.resolve(_context, name, verdict, number=call, emits=events)


@app.command("status", help=_help("help.status"))
@reported
def _status(name: RunName) -> int:
    from bot.terminal import query_commands

    return query_commands.status(_context, name)


@app.command("show", help=_help("help.show"))
@reported
def _show(
    name: RunName,
    *,
    story: Annotated[bool, typer.Option("--story", help=_help("help.story"))] = False,
) -> int:
    from bot.terminal import query_commands

    return query_commands.show(_context, name, with_timeline=story)


@app.command("history", help=_help("help.history"))
@reported
def _history(
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help=_help("help.limit"))] = 20,
    break_glass: Annotated[bool, typer.Option("--break-glass", help=_help("help.history_break_glass"))] = False,
) -> int:
    from bot.terminal import query_commands

    return query_commands.history(_context, limit=limit, is_break_glass=break_glass)


@app.command("spend", help=_help("help.spend"))
@reported
def _spend(
    *, days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=3660, help=_help("help.spend_days"))] = 30
) -> int:
    from bot.terminal import spend_command

    return spend_command.spend(_context, days=days)


@app.command("docs", help=_help("help.docs"))
@reported
def _docs(page: Annotated[str, typer.Argument(metavar="PAGE", help=_help("help.docs_page"))] = "") -> int:
    from bot.terminal import query_commands

    return query_commands.docs(_context, page)


@app.command("check", help=_help("help.check"))
@reported
def _check(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help=_help("help.check_config"))],
    *,
    no_connect: Annotated[bool, typer.Option("--no-connect", help=_help("help.no_connect"))] = False,
    tries: Annotated[bool, typer.Option("--try", help=_help("help.try"))] = False,
    accept: Annotated[bool, typer.Option("--accept", help=_help("help.accept"))] = False,
) -> int:
    from bot.terminal import check_commands

    return check_commands.check(_context, config, connects=not no_connect, tries=tries, accepts_drift=accept)


@policy.command("explain", help=_help("help.policy_explain"))
@reported
def _explain(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help=_help("help.check_config"))],
    *,
    tool: Annotated[str, typer.Option("--tool", metavar="TOOL", help=_help("help.policy_tool"))],
    arguments: Annotated[str, typer.Option("--args", metavar="JSON", help=_help("help.policy_args"))] = "{}",
    user: Annotated[str, typer.Option("--as", metavar="USER", help=_help("help.policy_as"))] = "",
    roles: Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help=_help("help.policy_role"))] = None,
    place: Annotated[str, typer.Option("--in", metavar="PLACE", help=_help("help.policy_in"))] = "",
    at: Annotated[str, typer.Option("--at", metavar="MOMENT", help=_help("help.policy_at"))] = "",
) -> int:
    from bot.terminal.policy_commands import policy_explain

    return policy_explain(
        _context, config, tool=tool, arguments=arguments, user=user, roles=roles or (), place=place, at=at
    )


@policy.command("test", help=_help("help.policy_test"))
@reported
def _test(file: Annotated[str, typer.Argument(metavar="FILE", help=_help("help.policy_file"))]) -> int:
    from bot.terminal.policy_commands import policy_test

    return policy_test(_context, file)


@app.command("schema", help=_help("help.schema"))
@reported
def _schema() -> int:
    from bot.terminal import check_commands

    return check_commands.schema(_context)


@app.command("models", help=_help("help.models"))
@reported
def _models(
    *,
    tries: Annotated[bool, typer.Option("--try", help=_help("help.try"))] = False,
    config: Annotated[str, typer.Option("--config", "-c", metavar="FILE", help=_help("help.models_config"))] = "",
) -> int:
    from bot.terminal import check_commands

    return check_commands.models(_context, config=config, tries=tries or bool(config))


@app.command("worker", help=_help("help.worker"))
@reported
def _worker(
    *,
    until_idle: Annotated[bool, typer.Option("--until-idle", help=_help("help.until_idle"))] = False,
    only: Annotated[
        Literal["deliberate", "execute"] | None, typer.Option("--only", help=_help("help.worker_only"))
    ] = None,
) -> int:
    from bot.terminal import run_commands

    return run_commands.work(_context, until_idle=until_idle, only=only or "")


@app.command("workers", help=_help("help.workers"))
@reported
def _workers() -> int:
    from bot.terminal import operator_commands

    return operator_commands.workers(_context)


@app.command("migrate", help=_help("help.migrate"))
@reported
def _migrate() -> int:
    from bot.terminal import operator_commands

    return operator_commands.migrate(_context)


@app.command("prune", help=_help("help.prune"))
@reported
def _prune(
    *,
    days: Annotated[int, typer.Option("--older-than", metavar="DAYS", min=0, help=_help("help.prune_days"))],
    only_counts: Annotated[bool, typer.Option("--dry-run", help=_help("help.prune_dry"))] = False,
) -> int:
    from bot.terminal import operator_commands

    return operator_commands.prune(_context, days, removes=not only_counts)


@app.command("forget", help=_help("help.forget"))
@reported
def _forget(
    person: Annotated[str, typer.Argument(metavar="PERSON", help=_help("help.forget_person"))],
    *,
    tenant: Annotated[str, typer.Option("--tenant", metavar="TENANT", help=_help("help.forget_tenant"))] = "",
    only_counts: Annotated[bool, typer.Option("--dry-run", help=_help("help.prune_dry"))] = False,
) -> int:
    from bot.terminal import operator_commands

    return operator_commands.forget(_context, person, tenant, removes=not only_counts)


@audit.command("verify", help=_help("help.audit_verify"))
@reported
def _verify(
    name: Annotated[str, typer.Argument(metavar="RUN", help=_help("help.audit_run"))] = "",
    anchor: Annotated[str, typer.Option("--anchor", metavar="FILE", help=_help("help.audit_verify_anchor"))] = "",
    tsa: Annotated[str, typer.Option("--tsa-certificates", metavar="FILE", help=_help("help.audit_verify_tsa"))] = "",
    signed: Annotated[str, typer.Option("--signed", metavar="FILE", help=_help("help.audit_verify_signed"))] = "",
    key: Annotated[str, typer.Option("--key", metavar="FILE", help=_help("help.audit_key"))] = "",
) -> int:
    from bot.terminal import audit_commands

    if signed:
        return audit_commands.verify_file(_context, signed, key)
    return audit_commands.verify(_context, name, anchor, tsa)


@audit.command("anchor", help=_help("help.audit_anchor"))
@reported
def _anchor(file: Annotated[str, typer.Argument(metavar="FILE", help=_help("help.audit_anchor_file"))] = "") -> int:
    from bot.terminal import audit_commands

    return audit_commands.anchor(_context, file)


@audit.command("show", help=_help("help.audit_show"))
@reported
def _show_signed(
    file: Annotated[str, typer.Argument(metavar="FILE", help=_help("help.audit_show_file"))],
    key: Annotated[str, typer.Option("--key", metavar="FILE", help=_help("help.audit_show_key"))],
) -> int:
    from bot.terminal import audit_commands

    return audit_commands.show_file(_context, file, key)


@audit.command("export", help=_help("help.audit_export"))
@reported
def _export(
    name: RunName,
    sign: Annotated[str, typer.Option("--sign", metavar="FILE", help=_help("help.audit_sign"))] = "",
) -> int:
    from bot.terminal import audit_commands

    return audit_commands.export(_context, name, sign)


register_discord(app, doctor, chat_tools, lambda: _context)
register_slack(app, doctor, chat_tools, lambda: _context)
register_up(app, lambda: _context)
