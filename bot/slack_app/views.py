"""Modals and the App Home. What they need to remember travels in them, so that they survive a restart."""

from collections.abc import Sequence

from bot.i18n import Words
from bot.message import Card, Verb
from bot.slack_app.limits import BLOCKS_IN_VIEW, BUTTON_TEXT, INPUT_TEXT, MODAL_TITLE, PRIVATE_METADATA
from bot.slack_app.markup import Block, plain
from bot.slack_app.payloads import Opened
from bot.slack_app.render import rendered

SUBMITTED = "decision_text"
DETAILS = "details"
PAGE = "page"


def text_modal(verb: Verb, opened: Opened, words: Words) -> Block:
    """Asks for the reason of a no, or for the wanted changes."""
    name = "change" if verb is Verb.CHANGE else "reason"
    return {
        "type": "modal",
        "callback_id": SUBMITTED,
        "title": plain(words.say(f"slack.modal.{name}.title"), MODAL_TITLE),
        "submit": plain(words.say(f"slack.modal.{name}.submit"), MODAL_TITLE),
        "close": plain(words.say("slack.modal.close"), MODAL_TITLE),
        "private_metadata": opened.packed()[:PRIVATE_METADATA],
        "blocks": [
            {
                "type": "input",
                "block_id": "text",
                "optional": verb is not Verb.CHANGE,
                "label": plain(words.say(f"slack.modal.{name}.label"), 2_000),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "multiline": True,
                    "max_length": INPUT_TEXT,
                },
            }
        ],
    }


def waiting_modal(words: Words) -> Block:
    """Stands there while the details are read: Slack lets a view be opened for three seconds only."""
    line: Block = {"type": "section", "text": plain(words.say("slack.modal.details.loading"), 200)}
    return _details([line], "", words)


def details_modal(pages: Sequence[Card], opened: Opened, words: Words) -> Block:
    """One page of everything about a plan."""
    page = min(max(0, opened.page), max(0, len(pages) - 1))
    blocks = rendered(pages[page], words=words).blocks[: BLOCKS_IN_VIEW - 2] if pages else []
    if len(pages) > 1:
        number = words.say("slack.modal.details.page", number=page + 1, pages=len(pages))
        blocks.append({"type": "context", "elements": [plain(number, 200)]})
        blocks.append({"type": "actions", "elements": _turns(page, len(pages), words)})
    here = Opened(
        button=opened.button,
        channel=opened.channel,
        thread=opened.thread,
        message=opened.message,
        run=opened.run,
        page=page,
    )
    return _details(blocks, here.packed(), words)


def _turns(page: int, count: int, words: Words) -> list[Block]:
    turns: list[Block] = []
    for name, to in (("back", page - 1), ("next", page + 1)):
        if 0 <= to < count:
            turns.append(
                {
                    "type": "button",
                    "action_id": f"{PAGE}_{name}",
                    "text": plain(words.say(f"slack.page.{name}"), BUTTON_TEXT),
                    "value": str(to),
                }
            )
    return turns


def _details(blocks: list[Block], metadata: str, words: Words) -> Block:
    return {
        "type": "modal",
        "callback_id": DETAILS,
        "title": plain(words.say("slack.modal.details.title"), MODAL_TITLE),
        "close": plain(words.say("slack.modal.close"), MODAL_TITLE),
        "private_metadata": metadata,
        "blocks": blocks,
    }


def home_view(card: Card, words: Words) -> Block:
    """The App Home of one person."""
    return {"type": "home", "blocks": rendered(card, words=words).blocks}
