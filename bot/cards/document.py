"""A plan as files: `plan.md` to read whole, `plan.json` to the letter."""

import json
from collections.abc import Sequence

from bot.cards.parts import call_items, targets_of
from bot.cards.run_view import RunView
from bot.cards.text import visible, visible_lines
from bot.i18n import Words
from bot.message import Attachment, CallItem
from coordination.domain.canonical_json import Json, parse
from coordination.domain.plan import Plan, short


def attachments(view: RunView, plan: Plan, words: Words) -> tuple[Attachment, ...]:
    """Both files of a plan."""
    name = short(plan.digest)
    return (
        Attachment(
            name="plan.md",
            media_type="text/markdown",
            text=plan_markdown(view, plan, words),
            description=words.say("file.markdown", count=len(plan.calls), plan=name),
        ),
        Attachment(
            name="plan.json",
            media_type="application/json",
            text=json.dumps(plan_json(plan), indent=2) + "\n",
            description=words.say("file.json", plan=name),
        ),
    )


def plan_json(plan: Plan) -> Json:
    """The plan with parsed arguments beside the exact text that is sent, and its digest.

    Written in ASCII, it shows every character that hides, and loses none.
    """
    return {
        "run": plan.run,
        "tenant": plan.tenant,
        "revision": plan.revision,
        "digest": plan.digest,
        "short_digest": short(plan.digest),
        "author": plan.author,
        "text": plan.text,
        "calls": [
            {
                "index": index,
                "server": call.server,
                "tool": call.tool,
                "arguments": parse(call.arguments),
                "arguments_text": call.arguments,
                "definition": call.definition,
                "is_automatic": call.is_automatic,
                "is_destructive": call.is_destructive,
                **({"settings": call.settings, "target": call.target} if call.settings else {}),
            }
            for index, call in enumerate(plan.calls)
        ],
        "policy": plan.policy.as_json(),
        "expires_at": plan.expires_at.isoformat(),
    }


def plan_markdown(view: RunView, plan: Plan, words: Words) -> str:
    """The plan for reading: every text stands in a fence that nothing inside can close."""
    parts = [
        words.say("file.heading", plan=short(plan.digest), run=visible(view.run)),
        _fenced(visible_lines(view.request.prompt)),
        words.say("file.author", author=plan.author, until=f"{plan.expires_at:%Y-%m-%d %H:%M %Z}"),
        _fenced(visible_lines(plan.text)),
    ]
    if where := [f"{visible(server)}: {visible(target)}" for server, target in targets_of(plan)]:
        parts += [words.say("file.targets"), _fenced("\n".join(where))]
    for item in call_items(plan, words):
        parts += _call(item)
    parts.append(words.say("file.digest", digest=plan.digest))
    return "\n\n".join(parts) + "\n"


def _call(item: CallItem) -> list[str]:
    parts = [f"## {item.number}. `{item.server}` · `{item.tool}`", ", ".join(item.notes)]
    for argument in item.arguments:
        parts += [f"**`{argument.name}`**", _fenced(argument.text)]
    return parts


def _fenced(text: str) -> str:
    longest = max((len(run) for run in _backtick_runs(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _backtick_runs(text: str) -> Sequence[str]:
    return "".join(character if character == "`" else " " for character in text).split()
