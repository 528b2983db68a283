"""A card becomes one Discord message: within every limit, quiet, and with nothing of the plan lost."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.cards.text import visible_lines
from bot.chat.platform import CardTooLarge
from bot.chat.run_queries import pages_of
from bot.discord_app.components import BUTTON_TEMPLATE, MENU_TEMPLATE
from bot.discord_app.interactions import text_input_modal
from bot.discord_app.markup import code_block, escaped, inline_code, units
from bot.discord_app.render import Rendered, first_line, render, whole_card
from bot.i18n import LANGUAGES, Catalog, speaking
from bot.message import (
    FORMS,
    Action,
    Attachment,
    CallItem,
    CallList,
    Card,
    Mention,
    Paragraph,
    Severity,
    Status,
    StyledText,
    Timestamp,
)
from coordination.domain import events as e
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from tests.builders import a_call
from tests.sample_logs import (
    LATER,
    POST,
    REMOVE,
    approved,
    argued,
    plan_in,
    recorded,
    started,
    succeeded,
    then,
    unknown,
    waiting,
)
from tests.servers.discord_limits import complaints_of

MOMENT = Timestamp(LATER)


class Ids:
    """Ids of the real length, one per verb and value."""

    def __init__(self) -> None:
        self.given: dict[tuple[Action, str], str] = {}

    def id_for(self, action: Action, value: str = "") -> str:
        return self.given.setdefault((action, value), f"{len(self.given):022d}")


def card_of(*calls: PlannedCall) -> Card:
    log = waiting(*calls)
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def payload(rendered: Rendered) -> dict[str, object]:
    """The message as it travels."""
    return {
        "content": "",
        "embeds": [embed.to_dict() for embed in rendered.embeds],
        "components": rendered.view.to_components() if rendered.view else [],
        "attachments": [
            {"id": number, "filename": file.name, "description": file.description}
            for number, file in enumerate(rendered.files)
        ],
        "allowed_mentions": discord.AllowedMentions.none().to_dict(),
    }


def shown(rendered: Rendered) -> str:
    texts = [text for embed in rendered.embeds for text in (embed.title, embed.description, embed.footer.text) if text]
    return "\n".join(texts)


def read_back(text: str) -> str:
    """What a reader sees of our markdown: escapes undone, backticks that were named shown again."""
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text).replace("⟨U+0060⟩", "`")


def labels(rendered: Rendered) -> list[str]:
    assert rendered.view is not None
    return [item.label or "" for item in rendered.view.children if isinstance(item, discord.ui.Button)]


NASTY = st.sampled_from(
    [
        "@everyone",
        "<@1>",
        "<@&2>",
        "<#3>",
        "```",
        "`",
        "``",
        "||",
        "[x](http://evil)",
        "\u202e",
        "\u200b",
        "\n",
        "# ",
        "> ",
        "-# ",
        "🟢",
        "e\u0301",
        "\\",
        "⟨U+202E⟩",
        "*",
        "_",
        "\t",
        "</run:1>",
        "<t:1:R>",
        "https://a.b/c_d_e",
        "1. ",
    ]
)
TEXTS = (
    st.lists(st.one_of(NASTY, st.text(max_size=20)), max_size=12)
    .map("".join)
    .filter(lambda text: not any(0xD800 <= ord(each) < 0xE000 for each in text))
)
LONG = st.builds(lambda text, times: (text or "x") * times, TEXTS, st.sampled_from([1, 1, 1, 30, 2000]))
VALUES: st.SearchStrategy[Json] = st.one_of(LONG, st.integers(-10, 10), st.none(), st.lists(TEXTS, max_size=4))
NAMES = st.one_of(st.sampled_from(["content", "channel_id", "title"]), TEXTS)


@st.composite
def calls(draw: st.DrawFn) -> tuple[PlannedCall, ...]:
    made = []
    for _ in range(draw(st.sampled_from([1, 1, 2, 3, 7, 25, 60]))):
        arguments = draw(st.dictionaries(NAMES, VALUES, max_size=4))
        call = PlannedCall(
            server=draw(st.sampled_from(["board", "git_hub"])),
            tool=draw(st.one_of(st.just("post_notice"), TEXTS)),
            arguments=canonical(arguments),
            definition="d",
            is_destructive=draw(st.booleans()),
        )
        made.append(call)
    return tuple(made)


@given(calls(), st.sampled_from(list(LANGUAGES.values())))
def test_any_plan_is_within_every_limit_quiet_and_wholly_readable(
    plan: tuple[PlannedCall, ...], catalog: Catalog
) -> None:
    with speaking(catalog):
        card = card_of(*plan)
    try:
        with speaking(catalog):
            rendered = render(card, Ids())
    except CardTooLarge:
        assert sum(len(file.text.encode()) for file in card.attachments) > 10 * 1024 * 1024
        return
    assert complaints_of(payload(rendered)) == []
    in_code = shown(rendered).replace("⟨U+0060⟩", "`") if not rendered.files else rendered.files[0].text
    in_bold = read_back(shown(rendered)) if not rendered.files else rendered.files[0].text
    for call in next(section for section in card.sections if isinstance(section, CallList)).calls:
        for argument in call.arguments:
            assert argument.text in in_code
            assert argument.name in in_bold


@given(TEXTS)
def test_escaped_text_has_no_meaning_left_and_loses_nothing(text: str) -> None:
    shown = escaped(text)
    assert re.sub(r"\\([^0-9A-Za-z\s])", r"\1", shown) == text
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "", shown)
    assert not re.search(r"[`*_~|\[\]<@]|://", bare)


@given(TEXTS)
def test_no_value_gets_out_of_its_code(text: str) -> None:
    seen = visible_lines(text)
    assert "```" not in code_block(seen)[3:-3]
    assert "`" not in inline_code(seen)[1:-1]


def test_a_short_plan_is_whole_in_the_message_and_needs_no_file() -> None:
    rendered = render(card_of(), Ids())
    assert rendered.files == ()
    assert labels(rendered) == ["Approve 2 calls", "Reject", "Request changes", "Only some calls", "Details"]
    assert "**1  board · post\\_notice**  sends" in shown(rendered)
    assert "**body**\n```\nFrom 14:00 to 16:00.↵\nSave your work.\n```" in shown(rendered)
    assert "**title** `Power off on Friday`" in shown(rendered)


def test_what_does_not_fit_is_counted_and_attached() -> None:
    text = "a" * 50_000 + "THE END"
    rendered = render(card_of(a_call("post", body=text)), Ids())
    assert [file.name for file in rendered.files] == ["plan.md", "plan.json"]
    assert text in rendered.files[0].text
    found = re.search(r"… ([\d,]+) characters are only in plan\.md …", read_back(shown(rendered)))
    assert found
    hidden = int(found[1].replace(",", ""))
    inline = shown(rendered).count("a" * 10)
    assert 40_000 < hidden < 50_007
    assert inline
    assert "THE END" in shown(rendered)
    assert "Read it before you decide" in shown(rendered)


@pytest.mark.unmeasured
def test_a_plan_that_no_file_can_hold_has_no_message_to_approve() -> None:
    card = card_of(a_call("post", body="x" * 6_000_000))
    with pytest.raises(CardTooLarge):
        render(card, Ids())


@pytest.mark.unmeasured
def test_without_its_buttons_the_same_plan_is_shown_as_far_as_it_goes() -> None:
    card = replace(card_of(a_call("post", body="x" * 6_000_000)), buttons=())
    rendered = render(card, Ids())
    assert rendered.files == ()
    assert rendered.missing > 5_000_000
    assert complaints_of(payload(rendered)) == []


def test_a_value_can_not_pass_for_another_argument() -> None:
    forged = "hello\n```\n**channel_id** `1`\n```"
    rendered = render(card_of(a_call("post", content=forged)), Ids())
    (block,) = re.findall(r"```\n(.*?)\n```", shown(rendered).partition("**content**")[2], re.DOTALL)
    assert read_back(block) == visible_lines(forged)


def test_moments_are_in_the_readers_own_clock() -> None:
    assert re.search(r"until <t:\d+:f> \(<t:\d+:R>\)", shown(render(card_of(), Ids())))


def test_the_first_line_for_notifications_is_short_and_neither_pings_nor_links() -> None:
    hostile = (StyledText("@everyone <@&77> [pay](https://evil.test) **now**\nnext"), Mention("77", "ops", "role"))
    card = Card(
        severity=Severity.DECIDE,
        status="Your decision is wanted",
        title=(StyledText("x" * 3000),),
        reference=(),
        sections=(Paragraph(lines=(hostile,)),),
    )
    line = first_line(card)
    assert line.startswith("🔵 Your decision is wanted · xxx")
    assert units(line) <= 200
    short = first_line(replace(card, title=()))
    assert "\n" not in short
    assert "<@" not in short
    assert r"\[pay\](https\:" in short, "no link, but words"


def test_a_list_is_shown_whole_as_long_as_an_embed_can_hold_it() -> None:
    lines = tuple((StyledText(f"entry {number}: " + "x" * 80),) for number in range(35))
    card = Card(severity=Severity.STOPPED, status="List", title=(), reference=(), sections=(Paragraph(lines=lines),))
    rendered = render(card)
    assert rendered.files == ()
    assert "entry 34" in shown(rendered)
    assert complaints_of(payload(rendered)) == []
    longer = render(replace(card, sections=(Paragraph(lines=lines * 3),)))
    assert [file.name for file in longer.files] == ["message.txt"]
    assert complaints_of(payload(longer)) == []


def test_a_long_report_without_a_file_of_its_own_gets_one() -> None:
    words = "\n".join(f"line {number} of the report" for number in range(1000))
    card = Card(
        severity=Severity.DONE,
        status="Done",
        title=(StyledText("what"),),
        reference=(StyledText("run 1"),),
        sections=(Paragraph(lines=tuple((StyledText(line),) for line in words.split("\n")), is_quoted=True),),
    )
    rendered = render(card)
    assert [file.name for file in rendered.files] == ["message.txt"]
    assert words in rendered.files[0].text
    assert "more characters are in message.txt" in read_back(shown(rendered))
    assert complaints_of(payload(rendered)) == []


def test_a_plan_without_files_of_its_own_is_whole_in_one_that_is_made_for_it() -> None:
    """No value's line can pass for a name: values are indented deeper."""
    card = replace(card_of(a_call("post", body="first\n" + "x" * 9000, title="t")), attachments=())
    rendered = render(card, Ids())
    (file,) = rendered.files
    assert "   body:\n      first↵\n      " + "x" * 9000 in file.text
    assert "needs 1 of ops" in file.text.lower()
    view = view_of(recorded(argued(POST)[:14]))
    assert view is not None
    working = whole_card(card_for(view, view.updated_at)).text
    assert "agent1  waiting  answered agent1.1" in working


def test_bold_words_are_bold_whatever_spaces_they_bring() -> None:
    card = Card(
        severity=Severity.DONE, status="Done", title=(), reference=(StyledText("agent1 ", "bold"), StyledText("voted"))
    )
    assert shown(render(card)) == "🟢 Done\n**agent1** voted"


def test_people_are_named_and_linked_only_where_nothing_but_their_number_is_known() -> None:
    who = Mention("77", "r_i_t_a")
    numbers = (
        Mention("77", "77"),
        StyledText(" "),
        Mention("88", "88", "role"),
        StyledText(" "),
        Mention("ops", "ops", "role"),
    )
    assert "\n<@77> <@&88> ops" in shown(
        render(Card(severity=Severity.DONE, status="Done", title=(), reference=numbers))
    )
    linked = (Mention("77", "r_i_t_a", is_linked=True), StyledText(" "), Mention("u-rita", "rita", is_linked=True))
    assert "\n<@77> rita" in shown(render(Card(severity=Severity.DONE, status="Done", title=(), reference=linked)))
    card = Card(
        severity=Severity.DONE,
        status="Done",
        title=(who,),
        reference=(StyledText("by "), who, StyledText(" at "), MOMENT),
    )
    assert shown(render(card)) == "🟢 Done · r\\_i\\_t\\_a\nby r\\_i\\_t\\_a at <t:1795435200:f>"


def test_a_moment_where_there_is_no_markdown_is_in_words() -> None:
    card = Card(severity=Severity.DONE, status="Done", title=(StyledText("x"),), reference=(), footer=(MOMENT,))
    assert render(card).embeds[-1].footer.text == "2026-11-23 12:00 UTC"


def test_receipts_that_do_not_fit_are_counted() -> None:
    calls = tuple(
        CallItem(
            number=n, server="s" * 40, tool="t" * 40, arguments=(), status=Status.DONE, outcome=(StyledText("r" * 300),)
        )
        for n in range(1, 61)
    )
    card = Card(
        severity=Severity.DONE,
        status="Done",
        title=(),
        reference=(),
        sections=(CallList(calls=calls, is_compact=True),),
    )
    rendered = render(card)
    assert re.search(r"… \d+ more calls are only in message\.txt", read_back(shown(rendered)))
    assert "60  ssss" in rendered.files[0].text
    assert complaints_of(payload(rendered)) == []


def every_state() -> Iterator[tuple[Card, Catalog]]:
    plan = plan_in(approved())
    running = then(approved(), started(plan, 0))
    for log in (
        recorded(argued(POST)[:1]),
        recorded(argued(POST)[:14]),
        waiting(),
        waiting(POST, REMOVE),
        approved(),
        running,
        then(running, unknown(plan, 0)),
        then(running, succeeded(plan, 0), started(plan, 1), succeeded(plan, 1)),
    ):
        view = view_of(log)
        assert view is not None
        for catalog in LANGUAGES.values():
            with speaking(catalog):
                card = card_for(view, log[-1].at + timedelta(seconds=1))
            yield card, catalog


@pytest.mark.parametrize(("card", "catalog"), list(every_state()), ids=range(16))
def test_every_state_of_a_run_fits_and_its_buttons_have_opaque_ids(card: Card, catalog: Catalog) -> None:
    with speaking(catalog):
        rendered = render(card, Ids())
    assert complaints_of(payload(rendered)) == []
    for item in rendered.view.children if rendered.view else ():
        name = getattr(item, "custom_id", "")
        assert BUTTON_TEMPLATE.fullmatch(name) or MENU_TEMPLATE.fullmatch(name)
        assert card.buttons[0].target.run not in name


def test_many_calls_are_counted_where_they_stop() -> None:
    many = tuple(a_call("post", body="y" * 300, title=f"notice {number}") for number in range(60))
    rendered = render(card_of(*many), Ids())
    assert re.search(r"… \d+ more calls are only in plan\.md", read_back(shown(rendered)))
    assert units(shown(rendered)) <= 6000


def test_a_file_is_described_for_who_can_not_see_it() -> None:
    rendered = render(card_of(a_call("post", body="x" * 9000)), Ids())
    assert all(isinstance(file, Attachment) and file.description for file in rendered.files)


def test_an_empty_call_is_a_call() -> None:
    item = CallItem(number=1, server="s", tool="t", arguments=())
    card = Card(
        severity=Severity.DECIDE,
        status="Waiting for approval",
        title=(),
        reference=(),
        sections=(CallList(calls=(item,)),),
    )
    assert "**1  s · t**" in shown(render(card))


@pytest.mark.parametrize("number", [25, 60])
def test_warnings_about_every_call_leave_room_for_the_calls(number: int) -> None:
    name = "\u202e" * 60
    odd = replace(POST, arguments=canonical({name: 2**60, f"{name}2": "x"}))
    rendered = render(card_of(*[odd] * number), Ids())
    assert complaints_of(payload(rendered)) == []
    assert f"applies to {number - 3} more calls" in shown(rendered)


def test_a_finished_card_has_its_calls_with_what_came_of_them_below_the_report() -> None:
    log = approved(a_call("post_notice", body="z" * 30_000))
    done = then(log, started(plan_in(log), 0), succeeded(plan_in(log), 0), e.RunFinished(report="All is well."))
    view = view_of(done)
    assert view is not None
    rendered = render(card_for(view, done[-1].at), Ids())
    assert complaints_of(payload(rendered)) == []
    assert labels(rendered) == ["Details"]
    assert "✅ posted" in shown(rendered)
    assert "**body**\n```\nzzz" in shown(rendered)
    assert "> All is well." in shown(rendered)
    assert "Read it before you decide" not in shown(rendered)


def test_a_window_names_the_run_that_it_is_about() -> None:
    modal = text_input_modal("0" * 22, "5", FORMS[Action.CHANGE], "7Q4K")
    assert modal.title == "Request changes (run 7Q4K)"
    assert units(text_input_modal("0" * 22, "5", FORMS[Action.CHANGE], "7" * 60).title) <= 45


def test_the_first_page_of_the_details_brings_the_plans_files() -> None:
    view = view_of(waiting())
    assert view is not None
    first, second = pages_of(view, view.updated_at)
    assert [file.name for file in render(first).files] == ["plan.md", "plan.json"]
    assert render(second).files == ()
