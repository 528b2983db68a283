"""What is fuzzed: by subject, the properties that the tests hold, on inputs that coverage leads to.

An input's first byte chooses the property, the rest is what hypothesis draws its values from, or a text as it stands.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

ROOT = Path(__file__).parents[2]
Check: TypeAlias = Callable[[bytes], object]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One subject.

    Attributes:
        packages: what is measured, so that an input which gets further than others is kept.
        properties: tests that hypothesis drives, as `module:function` within `tests`.
        texts: functions of the same form that take a text; what is written wrongly is theirs to bear.
        seeds: files to begin with.
    """

    packages: Sequence[str]
    properties: Sequence[str]
    texts: Sequence[str] = ()
    seeds: Sequence[Path] = ()

    def checks(self) -> Sequence[Check]:
        """All of it, each as a function of bytes that raises if something does not hold."""
        return [*(_text(_found(each)) for each in self.texts), *(_drawn(_found(each)) for each in self.properties)]

    def check(self) -> Check:
        """The same as one function."""
        checks = self.checks()
        return lambda data: checks[data[0] % len(checks)](data[1:]) if data else None


def _found(name: str) -> Any:  # noqa: ANN401  # a test of any arguments
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"tests.{module}"), function)


def _drawn(test: Any) -> Check:  # noqa: ANN401  # hypothesis adds the attribute
    return cast("Check", test.hypothesis.fuzz_one_input)


def _text(takes: Callable[[str], object]) -> Check:
    return lambda data: takes(data.decode("utf-8", "surrogateescape"))


_CARDS = ("bot.cards", "coordination.domain")
_PLANS = "test_any_plan"

TARGETS: Mapping[str, Target] = {
    "yaml": Target(
        packages=("coordination.config", "yaml"),
        properties=(
            "unit.test_settings_any_text:test_any_slip_of_the_pen",
            "unit.test_settings_any_text:test_any_structure_of_known_keys",
            "unit.test_settings_any_text:test_any_backend_and_server_of_known_keys",
        ),
        texts=("unit.test_settings_any_text:check",),
        seeds=sorted((ROOT / "configs").glob("*.yaml")),
    ),
    "canonical": Target(
        packages=("coordination.domain.canonical_json",),
        properties=(
            "unit.test_canonical:test_a_canonical_text_reads_back_as_the_same_text",
            "unit.test_canonical:test_a_canonical_text_is_the_same_value_to_any_reader_of_doubles",
        ),
        texts=("fuzz.texts:json_is_refused_or_canonical",),
        seeds=[ROOT / "tests/conformance/package.json"],
    ),
    "policy": Target(
        packages=("coordination.domain",),
        properties=(
            "unit.test_tool_conditions:test_no_call_gets_more_than_it_would_if_more_were_known",
            "unit.test_seats:test_everybody_who_was_given_a_place_keeps_one_and_it_is_theirs",
            "unit.test_seats:test_who_finds_no_place_now_finds_none_when_more_have_come",
            "threats.test_strangers_ask_and_decide:test_nobody_decides_who_is_a_stranger_to_the_rule",
        ),
    ),
    "diff": Target(
        packages=("coordination.domain.text_diff", "coordination.domain.preview", "bot.cards.preview_diff"),
        properties=(
            "unit.test_preview_diff:test_a_difference_applied_to_what_was_gives_what_will_be",
            "unit.test_preview_diff:test_two_different_changes_never_look_the_same",
            "unit.test_preview_diff:test_no_two_json_values_have_the_same_paths",
            "unit.test_preview_diff:test_marks_change_nothing_of_what_is_shown",
            "unit.test_preview_diff:test_no_change_is_markup_on_any_surface",
        ),
    ),
    "cards": Target(
        packages=_CARDS,
        properties=(
            "unit.test_cards_arguments:test_every_value_can_be_read_back_from_what_is_shown",
            "unit.test_visible_text:test_no_two_texts_of_several_lines_look_the_same",
            "unit.test_visible_text:test_nothing_shown_is_invisible_or_moves_what_is_around_it",
            "unit.test_cards:test_no_card_holds_a_character_that_hides",
            "unit.test_provenance:test_any_text_can_be_gone_through",
            "unit.test_secret_marks:test_no_two_texts_look_the_same_whatever_secrets_they_have",
        ),
    ),
    "terminal": Target(
        packages=(*_CARDS, "bot.terminal"),
        properties=(
            "unit.test_cli_render:test_an_argument_is_shown_whole_whatever_is_in_it",
            "unit.test_cli_render:test_markup_and_control_characters_of_others_do_nothing",
            "unit.test_cli_render:test_no_two_values_look_the_same_however_they_are_folded",
            "unit.test_cli_events:test_nothing_in_a_plan_closes_the_fence_around_it",
        ),
    ),
    "discord": Target(
        packages=(*_CARDS, "bot.discord_app"),
        properties=(
            f"contract.test_discord_render:{_PLANS}_is_within_every_limit_quiet_and_wholly_readable",
            "contract.test_discord_render:test_escaped_text_has_no_meaning_left_and_loses_nothing",
            "contract.test_discord_render:test_no_value_gets_out_of_its_code",
        ),
    ),
    "slack": Target(
        packages=(*_CARDS, "bot.slack_app"),
        properties=(
            f"contract.test_slack_render:{_PLANS}_fits_pings_nobody_and_is_readable_or_not_approvable",
            "contract.test_slack_render:test_an_argument_on_a_card_reads_back_to_the_letter",
            "contract.test_slack_render:test_any_prose_fits",
        ),
    ),
}
