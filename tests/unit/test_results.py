"""What came of a call is one press away: where a tool's answer has an address, and only where that is safe to show."""

import io
import json

import pytest
from rich.console import Console

from bot.cards.results import first_link, in_words, link_in
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.cards.timeline import timeline_entry
from bot.discord_app.render import render, whole_card
from bot.message import Link, StyledText
from bot.slack_app.render import rendered
from bot.terminal.output import Renderer
from coordination.domain import events as e
from coordination.domain.plan import Failed, Succeeded
from tests.builders import REQUESTER, START
from tests.sample_logs import POST, approved, plan_in, started, succeeded, then

URL = "https://discord.com/channels/1/2/3"


@pytest.mark.parametrize(
    ("result", "words", "url"),
    [
        ('{"id":7,"html_url":"https://git.test/a/7","url":"https://api.git.test/a/7"}', None, "https://git.test/a/7"),
        ('{"issue":{"id":7,"url":"https://git.test/a/7"}}', None, "https://git.test/a/7"),
        (f'Sent message 3 to 2.\n{{"url":"{URL}"}}', "Sent message 3 to 2.", URL),
        (f'Sent message 3 to 2.\n{{"id":"3","url":"{URL}"}}', "Sent message 3 to 2.", URL),
        (f'Sent.\n{{"id":3,"permalink":"{URL}"}}', "Sent. id 3", URL),
        ('{"url":"https://Git.Test:8443/a?b=c&d=%20e#f"}', None, "https://Git.Test:8443/a?b=c&d=%20e#f"),
        ("[1]", "1", ""),
        ("See https://git.test/a", "See https://git.test/a", ""),
        ('{"url":"http://git.test/a"}', "url http://git.test/a", ""),
        ('{"url":"https://git.test@evil.test/a"}', None, ""),
        ('{"url":"https://git.test/a)[x](https://evil.test"}', None, ""),
        ('{"url":"https://git.test/a|b>"}', None, ""),
        ('{"url":"https://g\u0456t.test/a"}', None, ""),
        ('{"url":"https://git.test/a b"}', None, ""),
        ('{"url":"https://localhost/a"}', None, ""),
        ('{"url":"javascript:alert(1)"}', None, ""),
        ('{"url":7,"link":{"url":"https://git.test"}}', None, ""),
        (json.dumps({"url": f"https://git.test/{'a' * 500}"}), None, ""),
    ],
)
def test_only_an_address_of_a_structured_answer_that_is_safe_becomes_a_link(
    result: str, words: str | None, url: str
) -> None:
    link = link_in(result)
    assert (link.url if link else "") == url
    assert words is None or in_words(result) == words


def test_a_link_says_where_it_leads() -> None:
    assert link_in('{"url":"https://Git.Test:8443/a"}') == Link("open on git.test:8443", "https://Git.Test:8443/a")


def test_every_product_shows_the_address_of_what_came_of_a_call() -> None:
    log = approved(POST)
    plan = plan_in(log)
    log = then(log, started(plan, 0), succeeded(plan, 0, f'Sent message 3.\n{{"url":"{URL}"}}'))
    view = view_of(log)
    assert view is not None
    told = timeline_entry(log[-1].event, view)
    assert told is not None
    assert Link("open on discord.com", URL) in told.line
    for now in (log, then(log, e.RunFinished(report=None))):
        view = view_of(now)
        assert view is not None
        card = card_for(view, START)
        shown = "\n".join(embed.description or "" for embed in render(card).embeds)
        assert f"Sent message 3. · 1.0 s · [open on discord.com](<{URL}>)" in shown
        assert URL in whole_card(card).text
        assert URL in json.dumps(rendered(card).blocks)
        console = Console(width=110, file=io.StringIO())
        assert f"Sent message 3. · 1.0 s · {URL}" in Renderer(console, START).card(card).plain


def test_a_row_has_one_link_to_what_came_of_a_run_and_says_how_many_more_there_are() -> None:
    one, other = ('{"url":"https://git.test/1"}', '{"url":"https://git.test/2"}')
    assert first_link([]) == first_link([Succeeded(index=0, result="done"), Failed(index=1, reason=one)]) == ()
    vouched = Succeeded(index=0, result=other, vouched_by=REQUESTER)
    link = Link("open on git.test", "https://git.test/1")
    assert first_link([vouched, Succeeded(index=1, result=one), Succeeded(index=2, result=one)]) == (link,)
    many = [Succeeded(index=index, result=result) for index, result in enumerate(("done", one, other))]
    assert first_link(many) == (link, StyledText(" +1"))
