"""What a call would change, as people see it: nothing is lost, no two changes look the same, nothing is markup."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bot.cards.error_messages import plain_text
from bot.cards.preview_diff import NO_LINE_FEED, Shown, previews_json, previews_of
from bot.discord_app.markup import line_text
from bot.message import RichText, StyledText
from bot.slack_app.markup import rich
from bot.terminal.output import Renderer
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Policy
from coordination.domain.preview import Preview, Problem, Question, Reading, by_path, digest_of
from coordination.domain.text_diff import Gap, Line, applied, compared, differing, with_context
from coordination.secret_marks import MARKS
from tests.builders import START
from tests.unit.test_secret_marks import PRIVATE_KEY, armored

TEXTS = st.text(alphabet=st.sampled_from("ab\n\r\u2028⟨`*<"), max_size=60)
PREVIEW = Preview(server="", tool="read", arguments='{"path":"$.path"}', after="$.content", missing="*ENOENT*")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text('ab.[]"$', max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text('ab.[]"$', max_size=3), each, max_size=3),
    max_leaves=8,
)


def a_call(after: str, preview: Preview = PREVIEW) -> PlannedCall:
    arguments = canonical({"path": "/a", "content": after})
    return PlannedCall(server="files", tool="write", arguments=arguments, definition="d", previews=(preview,))


def a_plan(call: PlannedCall, *readings: Reading) -> Plan:
    return Plan(
        tenant="t",
        run="R1",
        revision=1,
        author="agent1.final",
        text="",
        calls=(call,),
        policy=Policy(),
        expires_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1),
        readings=readings,
    )


def a_reading(call: PlannedCall, before: str | None, *, kept: bool = True) -> Reading:
    ((_, question),) = call.questions()
    assert question is not None
    if before is None:
        return Reading(question=question, digest=digest_of("", is_missing=True), is_missing=True)
    digest = digest_of(before, is_missing=False)
    return Reading(question=question, digest=digest, text=before if kept else "", length=len(before))


def test_several_reads_of_one_tool_for_a_call_are_told_apart_by_what_differs() -> None:
    """A move reads what is moved and what is at its destination; a part of an issue is one read, as another part is."""
    source, target = (
        replace(PREVIEW, arguments=f'{{"head":9,"path":"$.{name}"}}', after="") for name in ("from", "to")
    )
    title, body = (
        replace(PREVIEW, tool="get", arguments='{"id":"$.id"}', shows=f"$.{name}") for name in ("title", "body")
    )
    arguments = canonical({"from": "/a\u202e", "to": "/" + "b" * 200, "id": 7})
    previews = (source, target, title, body, replace(PREVIEW, tool="stat", arguments='{"path":"$.from"}'))
    call = PlannedCall(server="files", tool="move", arguments=arguments, definition="d", previews=previews)
    said = [plain_text(each.headline) for each in previews_of(a_plan(call))]
    names = [re.search(r"files\.\w+(?: \(.*?\))?", each) for each in said]
    assert [found and found[0] for found in names] == [
        "files.read (path /a⟨U+202E⟩)",
        f"files.read (path /{'b' * 113}…)",
        "files.get ($.title)",
        "files.get ($.body)",
        "files.stat",
    ]


def shown(before: str | None, after: str, preview: Preview = PREVIEW, *, kept: bool = True) -> Shown:
    call = a_call(after, preview)
    (found,) = previews_of(a_plan(call, a_reading(call, before, kept=kept)))
    return found


def test_a_key_of_several_lines_is_one_mark_and_another_key_another_one() -> None:
    """Line by line nobody would know it for a key."""
    old, new = PRIVATE_KEY, armored("PRIVATE KEY", b"\x30\x81\x80" + bytes(range(128))[::-1])
    changed = shown(f"a\n{old}\nb\n", f"a\n{new}\nb\n")
    assert changed.lines == ("· a", f"- {MARKS.of(old)}", f"+ {MARKS.of(new)}", "· b")
    moved = shown(canonical({"a": old}), canonical({"a": new}))
    assert not any(old[80:100] in line or new[80:100] in line for line in moved.lines)
    assert len(set(moved.lines)) == 2


@given(TEXTS, TEXTS)
def test_a_difference_applied_to_what_was_gives_what_will_be(before: str, after: str) -> None:
    lines = compared(before, after)
    assert applied(before, lines) == after
    changed = [each for each in lines if each.sign != " "]
    assert (changed == []) == (before == after)
    near = list(with_context(lines))
    assert [each for each in near if isinstance(each, Line) and each.sign != " "] == changed
    assert sum(each.count if isinstance(each, Gap) else 1 for each in near) == len(lines)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_two_different_changes_never_look_the_same(before: str, after: str, other: str, later: str) -> None:
    looks = shown(before, after) == shown(other, later)
    assert looks is ((before, after) == (other, later))


def test_a_difference_is_of_the_text_that_it_was_made_from() -> None:
    with pytest.raises(ValueError, match="another text"):
        applied("c\n", compared("a\n", "b\n"))


def test_very_many_lines_are_taken_out_and_put_in_as_a_whole() -> None:
    before, after = "a\n" + "\n" * 3_000 + "z\n", "a\n" + "b\n" * 3_000 + "z\n"
    lines = compared(before, after)
    assert applied(before, lines) == after
    assert [each.sign for each in lines[:2]] == [" ", "-"]


def test_a_text_is_shown_by_its_lines_and_hidden_characters_by_their_names() -> None:
    found = shown("one\ntwo\n", "one\nt\u202ewo\nthree")
    assert found.lines == ("· one", "- two", "+ t⟨U+202E⟩wo", "+ three⟨…⟩")
    assert plain_text(found.headline).startswith("Call 1 would change what files.read shows now (")


def test_json_is_shown_by_path() -> None:
    found = shown(canonical({"a": [1, 2], "b": {}}), canonical({"a": [1, 3], "b": {}}))
    assert found.lines == ('· $["a"][0]: 1', '- $["a"][1]: 2', '+ $["a"][1]: 3', '· $["b"]: {}')


@given(JSON, JSON)
def test_no_two_json_values_have_the_same_paths(one: object, other: object) -> None:
    texts = [canonical(json.loads(json.dumps(each))) for each in (one, other)]
    left, right = map(by_path, texts)
    assert left is None or (left == right) == (texts[0] == texts[1])


@pytest.mark.parametrize(
    ("before", "after", "kept", "words"),
    [
        (None, "new", True, "Call 1 would create this: files.read finds nothing now"),
        ("same", "same", True, "Call 1 would change nothing: files.read shows the same now"),
        ("long", "new", False, "Before call 1, files.read shows 4 characters, which is too long to show here"),
    ],
)
def test_what_is_no_difference_is_said_in_words(before: str | None, after: str, kept: bool, words: str) -> None:
    assert plain_text(shown(before, after, kept=kept).headline).startswith(words)


def test_to_empty_a_file_is_not_to_create_an_empty_one() -> None:
    assert shown("", "") != shown(None, "")


def test_what_a_deletion_takes_away_is_shown() -> None:
    preview = Preview(server="", tool="read", arguments='{"path":"$.path"}')
    found = shown("one\ntwo\n", "ignored", preview)
    assert found.lines == ("· one", "· two")
    assert plain_text(found.headline).startswith("Before call 1, files.read shows this")


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("failed", "could not be read: EACCES ⟨U+202E⟩"),
        ("late", "took too long to answer"),
        ("writes", "writes, according to its server"),
    ],
)
def test_what_could_not_be_read_says_why(problem: Problem, words: str) -> None:
    call = a_call("x")
    ((_, question),) = call.questions()
    assert question is not None
    (found,) = previews_of(a_plan(call, Reading(question=question, problem=problem, detail="EACCES \u202e")))
    assert found.is_problem
    assert plain_text(found.headline) == f"There is no preview of call 1: files.read {words}"


def test_a_plan_that_nobody_read_for_says_so() -> None:
    (found,) = previews_of(a_plan(a_call("x")))
    assert plain_text(found.headline).endswith("files.read was not read for this plan")


def test_what_was_read_is_part_of_what_people_approve() -> None:
    call = a_call("x")
    digests = {a_plan(call, *each).digest for each in ((), (a_reading(call, "a"),), (a_reading(call, "b"),))}
    assert len(digests) == 3


def test_a_reading_counts_for_no_call_with_other_arguments() -> None:
    call = a_call("x")
    other = Question(server="files", tool="read", arguments=canonical({"path": "/b"}))
    plan = a_plan(call, Reading(question=other, digest="d"))
    (entry,) = previews_json(plan, call)
    assert isinstance(entry, dict)
    assert entry["reading"] is None


@pytest.mark.parametrize(
    ("shows", "answer", "counts"),
    [
        ("", "as it is", "as it is"),
        ("$.content", '{"content": "text", "etag": 7}', "text"),
        ("$.content", '{"content": {"b": 1, "a": [2]}}', '{"a":[2],"b":1}'),
        ("$.rows[*]", '{"rows": ["one", "two"]}', '["one","two"]'),
        ("$.content", '{"other": 1}', None),
        ("$.content", "no JSON", None),
    ],
)
def test_of_an_answer_counts_what_the_rule_names(shows: str, answer: str, counts: str | None) -> None:
    assert Question(server="files", tool="read", arguments="{}", shows=shows).value_in(answer) == counts


def test_arguments_of_a_read_are_filled_in_lists_too() -> None:
    preview = Preview(server="", tool="read", arguments='{"paths":["$.path","/b"]}')
    question = preview.question("files", '{"path":"/a"}')
    assert question is not None
    assert question.arguments == '{"paths":["/a","/b"]}'
    assert preview.question("files", "{}") is None


def test_what_is_no_json_in_canonical_form_has_no_paths() -> None:
    assert by_path('{"a":[1]}') == '$["a"][0]: 1\n'
    for text in ("no JSON", '"text"', '{"a": 1}'):
        assert by_path(text) is None


def test_lines_that_stay_are_shown_around_a_change_and_counted_elsewhere() -> None:
    before = "".join(f"{number}\n" for number in range(30))
    lines = compared(before, before.replace("10\n", "ten\n").replace("12\n", "twelve\n"))
    assert Line(" ", "11\n") in lines
    found = list(with_context(lines))
    assert [each.count for each in found if isinstance(each, Gap)] == [8, 15]
    assert applied(before, lines).splitlines()[10:13] == ["ten", "11", "twelve"]


def test_the_operators_rules_are_part_of_what_people_approve() -> None:
    bare = a_plan(a_call("x"))
    digests = {replace(bare, policy=replace(bare.policy, operator=each)).digest for each in ("", "one", "two")}
    assert len(digests) == 3


@given(TEXTS, TEXTS)
def test_marks_change_nothing_of_what_is_shown(before: str, after: str) -> None:
    found = shown(before, after)
    if found.marked:
        assert tuple(map(plain_text, found.marked)) == found.lines
        for line in found.marked:
            styles = [each.style for each in line if isinstance(each, StyledText)]
            assert all(one != other for one, other in pairwise(styles))


def styled(line: RichText) -> list[tuple[str, str]]:
    return [(each.text, each.style) for each in line if isinstance(each, StyledText)]


def test_in_short_texts_the_words_that_differ_are_marked() -> None:
    found = shown("Meet at noon.\nBring tea.\n", "Meet at one.\nBring tea.\n")
    assert list(map(styled, found.marked)) == [
        [("- Meet at ", "code"), ("noon", "removed"), (".", "code")],
        [("+ Meet at ", "code"), ("one", "added"), (".", "code")],
        [("· Bring tea.", "code")],
    ]


def test_lines_without_a_counterpart_and_texts_that_share_no_word_have_no_marks() -> None:
    assert list(map(styled, shown("a\n", "a\nb\n").marked)) == [[("· a", "code")], [("+ b", "code")]]
    assert list(map(styled, shown("no way\n", "yes please\n").marked)) == [
        [("- no way", "code")],
        [("+ yes please", "code")],
    ]


def test_a_mark_cuts_neither_a_name_of_a_character_nor_an_accent_from_its_letter() -> None:
    (old, new) = map(styled, shown("a q\u0308 x\u202e", "a q\u0308\u0308 x\u202d").marked)
    assert old == [
        ("- a ", "code"),
        ("q\u0308", "removed"),
        (" x", "code"),
        ("⟨U+202E⟩", "removed"),
        (NO_LINE_FEED, "code"),
    ]
    assert new == [
        ("+ a ", "code"),
        ("q\u0308\u0308", "added"),
        (" x", "code"),
        ("⟨U+202D⟩", "added"),
        (NO_LINE_FEED, "code"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "new"), ("a\n" * 4, "a\n" * 3 + "b\n"), ("a " * 120, "a " * 120 + "b")],
)
def test_what_is_new_or_longer_is_shown_line_by_line(before: str | None, after: str) -> None:
    found = shown(before, after)
    assert found.lines
    assert found.marked == ()


@given(
    st.lists(st.sampled_from(["a", "b", " ", "."]), max_size=12),
    st.lists(st.sampled_from(["a", "b", " ", "."]), max_size=12),
)
def test_without_the_words_that_differ_both_are_the_same(old: list[str], new: list[str]) -> None:
    gone, come = differing(old, new)
    assert (len(gone), len(come)) == (len(old), len(new))
    if any(gone) or any(come):
        assert [word for word, is_out in zip(old, gone, strict=True) if not is_out] == [
            word for word, is_in in zip(new, come, strict=True) if not is_in
        ]


ACTIVE = st.text(alphabet=st.sampled_from("ab *~`\\|_<@[]"), max_size=30)


@given(ACTIVE, ACTIVE)
def test_no_change_is_markup_on_any_surface(before: str, after: str) -> None:
    for line in shown(before, after).marked:
        runs = styled(line)
        text, missing = line_text(line, 4_000)
        assert missing == 0
        assert _DISCORD.findall(text) == [_marked(*each) for each in runs]
        assert _DISCORD.sub("", text) == ""
        for element, (said, style) in zip(rich(line), runs, strict=True):
            assert (element["type"], element["text"]) == ("text", said)
            signs = {"removed": {"strike": True}, "added": {"bold": True}}.get(style, {})
            assert element["style"] == {"code": True, **signs}
        console = Console(width=200, file=io.StringIO(), color_system=None)
        assert Renderer(console, START).line(line).plain == plain_text(line)


_DISCORD = re.compile(r"\*\*`[^`*]+`\*\*|~~`[^`~]+`~~|`[^`]+`")
"""Code, and code between signs that stand nowhere in it."""


def _marked(text: str, style: str) -> str:
    signs = {"removed": "~~", "added": "**"}.get(style, "")
    for each in "`" + signs[:1]:
        text = text.replace(each, f"⟨U+{ord(each):04X}⟩")
    return f"{signs}`{text}`{signs}"
