"""The catalogue and the code agree: every word that is asked for exists, and no word is kept that nobody asks for."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from string import Formatter

import pytest
from typing_extensions import override

from bot.i18n import ENGLISH, Catalog, joined
from bot.message import Action, Mention, StyledText, Timestamp
from coordination.domain.ballot import Ending
from coordination.domain.states import RunState
from coordination.domain.tool_rules import Effect
from tests.builders import START
from tests.syntax_trees import nodes_of
from tests.texts import texts_of

BOT = Path(__file__).parents[2] / "bot"
STATES = [state.__dataclass_fields__["kind"].default for state in RunState.__args__]


@cache
def nodes() -> tuple[ast.AST, ...]:
    """What the code is made of, but for catalogues."""
    paths = [path for path in BOT.rglob("*.py") if path.parent.name != "locales"]
    return tuple(node for path in paths for node in nodes_of(path))


def asked_keys() -> Iterator[str]:
    """The first argument of every `say` and `line`; what is computed stands as `*`."""
    for node in nodes():
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in {"text", "rich", "_help", "localized"}:
            yield from keys_in(node.args[0])
    yield from key_variables()


def keys_in(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(key)):
            yield key
        case ast.IfExp(body=one, orelse=other):
            yield from keys_in(one)
            yield from keys_in(other)
        case ast.JoinedStr(values=values):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "*" for each in values)
        case _:
            return


def key_variables() -> Iterator[str]:
    """Keys that are chosen first and said later: every constant that looks like a key."""
    for node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KEYS:
            yield node.value


class Few(NullTranslations):
    """A catalogue of a few sentences."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = texts

    @override
    def gettext(self, message: str) -> str:
        return self._texts[message]


def bare(key: str) -> str:
    return key.removesuffix(".one").removesuffix(".other")


KEYS = {bare(key) for key in texts_of("en")}


def is_known(key: str) -> bool:
    if "*" not in key:
        return key in KEYS
    beginning, _, end = key.partition("*")
    return any(each.startswith(beginning) and each.endswith(end) for each in KEYS)


def test_every_word_that_is_asked_for_exists() -> None:
    asked = {key for key in asked_keys() if "." in key or key in KEYS}
    assert len(asked) > 150
    assert sorted(key for key in asked if not is_known(key)) == []


def test_no_word_is_kept_that_nobody_asks_for() -> None:
    asked = set(asked_keys())
    families = [key.partition("*")[0] for key in asked if "*" in key and not key.startswith("*")]
    unused = {key for key in KEYS if key not in asked and not any(key.startswith(each) for each in families)}
    assert unused == set()


@pytest.mark.parametrize(
    "keys",
    [
        [f"state.{kind}" for kind in STATES],
        [f"won.{ending}" for ending in Ending],
        [f"effect.{effect}" for effect in Effect],
        [f"key.{action}" for action in (Action.APPROVE, Action.REJECT, Action.CHANGE, Action.SELECT, Action.DETAILS)],
        [f"key.{action}" for action in (Action.HAPPENED, Action.RUN_IT, Action.ABANDON)],
        [f"{key}.{revised}" for key in ("won", "revision", "timeline") for revised in ("selected", "edited")],
        [f"status.{kind}" for kind in ("rejected", "expired", "cancelled", "failed")],
        [f"timeline.resolved_{verdict}" for verdict in ("happened", "run_it", "abandon")],
        ["agent.thinking_told", "agent.thinking_corrected", "won.plan", "won.answer"],
    ],
)
def test_every_member_of_a_family_has_its_word(keys: list[str]) -> None:
    assert [key for key in keys if key not in KEYS] == []


def test_what_is_counted_has_both_forms_with_the_same_values() -> None:
    for key in texts_of("en"):
        if key.endswith((".one", ".other")):
            forms = [texts_of("en")[f"{bare(key)}.{form}"] for form in ("one", "other")]
            assert blanks(forms[0]) == blanks(forms[1]), key


def blanks(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_a_count_chooses_the_form() -> None:
    assert ENGLISH.text("calls", count=1) == "1 call"
    assert ENGLISH.text("calls", count=0) == "0 calls"


def test_a_value_is_never_taken_for_a_template() -> None:
    catalog = Catalog("xx", Few({"hello": "hello {who}"}))
    assert catalog.text("hello", who="{0.__class__}") == "hello {0.__class__}"
    assert catalog.rich("hello", who="{who}") == (StyledText("hello "), StyledText("{who}"))


def test_a_line_keeps_people_moments_and_styles() -> None:
    catalog = Catalog("xx", Few({"by": "{who} at {at}: {what}"}))
    line = catalog.rich(
        "by", who=Mention("1", "ada"), at=Timestamp(START), what=(StyledText("a", "bold"), StyledText("b", "code"))
    )
    assert line == (
        Mention("1", "ada"),
        StyledText(" at "),
        Timestamp(START),
        StyledText(": "),
        StyledText("a", "bold"),
        StyledText("b", "code"),
    )


def test_empty_parts_leave_no_separator() -> None:
    assert joined([(), (StyledText("a"),), (), (StyledText("b"),)], " · ") == (
        StyledText("a"),
        StyledText(" · ", "quiet"),
        StyledText("b"),
    )
    assert joined([], " · ") == ()
