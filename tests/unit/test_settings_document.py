"""Any text at all: what is no YAML, or too much of it, is told and never followed."""

import time
import tracemalloc

import pytest
import yaml

from coordination.config import parse, yaml_tree
from coordination.errors import ConfigError
from tests.german import english_in


def complaint_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, origin="ops.yaml", environ={})
    (complaint,) = caught.value.diagnostics
    assert english_in(complaint) == []
    return complaint.removeprefix("ops.yaml:")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("agents: [\n", "2: found invalid YAML in column 1 ("),
        ("a: b: c\n", "1: found invalid YAML in column 5 (mapping values are not allowed in this context); expected"),
        ("agents:\n\t- x\n", "2: found invalid YAML in column 1 (found character that cannot start any token)"),
        (
            "a: {b: ${C}}\n",
            "1: found invalid YAML in column 9 (did not find expected ',' or '}'); expected YAML; inside",
        ),
        ("a: 1\n---\nb: 2\n", "2: found a second YAML document; expected only one"),
        (
            "agents: !!python/object/apply:os.system [id]\n",
            "1: found the tag '!!python/object/apply:os.system'; expected",
        ),
        ("agents: !secret x\n", "1: found the tag '!secret'; expected plain YAML"),
        ("agents: !!set {a, b}\n", "1: found the tag '!!set'; expected plain YAML"),
        ("agents: !!int x\n", "1: found a value that does not fit its tag !!int; expected one that fits"),
        ("agents: !!int ''\n", "1: found a value that does not fit its tag !!int; expected one that fits"),
        ("agents: !!bool maybe\n", "1: found a value that does not fit its tag !!bool; expected one that fits"),
        ("agents: *a\n", "1: found an alias (*name); expected its anchor (&name) in a line before"),
        ("agents: &a [*a]\n", "1: found an alias inside its own anchor; expected"),
        ("? [a]\n: b\nagents: [{backend: {type: ollama, model: m}}]\n", "1: found a list as a key; expected a text"),
        ("<<: x\nagents: [{backend: {type: ollama, model: m}}]\n", "1: found a text after <<; expected an alias of"),
        ("agents: \x00\n", "1: found the character \\x00; expected readable text"),
        ('agents: "\\0"\n', "1: found a control character or half of a surrogate pair; expected readable text"),
        ("a: \ud800\n", "1: found the character \\ud800; expected readable text"),
        ("#" * 300_000, "1: found more than 256 kB; expected a smaller file"),
    ],
)
def test_what_is_no_plain_yaml_is_told_with_its_line(text: str, complaint: str) -> None:
    assert complaint_of(text).startswith(complaint)


def test_a_key_twice_in_one_mapping_is_told_with_both_lines() -> None:
    text = "agents:\n  - id: a\n    backend: {type: ollama, model: m}\n    id: b\n"
    assert complaint_of(text) == (
        "4: found the key 'id' again in the same mapping (first used in line 2); expected each key once"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="lists in lists"),
        pytest.param("a: " + "{a: " * 50_000, id="mappings in mappings"),
        pytest.param("- " * 100_000, id="blocks in blocks"),
        pytest.param("\n".join("  " * depth + f"k{depth}:" for depth in range(60)), id="deep blocks"),
    ],
)
def test_nesting_ends_at_a_limit(text: str) -> None:
    assert "found more than 40 levels of nesting" in complaint_of(text)


def test_aliases_of_aliases_are_not_followed_for_ever() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{step}: &a{step} [{', '.join([f'*a{step - 1}'] * 10)}]" for step in range(1, 12)]
    started = time.process_time()
    assert "found more than 20,000 values once aliases are expanded" in complaint_of("\n".join(lines))
    assert time.process_time() - started < 5


def test_mappings_that_are_merged_again_and_again_do_not_fill_the_memory() -> None:
    text = "a: &a {" + ", ".join(f"k{number}: 1" for number in range(3000)) + "}\nb:\n" + "- {<<: *a}\n" * 15_000
    tracemalloc.start()
    try:
        assert "found more than 20,000 values once aliases are expanded" in complaint_of(text)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_long_text_can_not_be_repeated_by_aliases_either() -> None:
    text = f"a: &a '{'x' * 100_000}'\nagents: [{', '.join(['*a'] * 5000)}]\n"
    assert "found more than 20,000 values once aliases are expanded" in complaint_of(text)


def test_aliases_in_depth_count_as_deep_as_they_mean() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{step}: &a{step} [*a{step - 1}]" for step in range(1, 60)]
    assert "found more than 40 levels of nesting" in complaint_of("\n".join(lines))


def test_a_text_of_unclosed_variables_is_read_in_a_moment() -> None:
    text = "agent: {id: '" + "${" * 100_000 + "', backend: {type: ollama, model: m}}\n"
    started = time.process_time()
    assert "found ${ without the name of a variable" in complaint_of(text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "% \na: 1", "%YAML 1.1\n%YAML 1.1\n---\na", "%YAML 1.a\n---\na", "%YAML 1a\n---\na", "%YAML 1111111111.1\n---\na",
        "%YAML 3.1\n---\na", "%TAG ! \n---\na", "%TAG !a!b\n---\na", "%TAG !a! b\n%TAG !a! c\n---\na", "%a$ b\n---\na",
        "%foo bar\n---\na", "a: !<%4> b", "a: !<b c", "a: !<%ff> b", "a: !<%c3%41> b", "a: |0\n  b", 'a: "\\ud800"', 'a: "\\xzz"',
    ],
)  # fmt: skip
def test_even_rare_mistakes_are_told_in_our_own_words(text: str) -> None:
    complaint = complaint_of(text)
    assert "found invalid YAML in column" in complaint
    assert "PyYAML" not in complaint


def test_what_python_itself_stumbles_over_is_no_yaml_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML has no libyaml, an escape beyond Unicode fails in Python's own `chr`."""
    monkeypatch.setattr(yaml_tree, "_LOADER", yaml.SafeLoader)
    assert complaint_of('a: "\\UFFFFFFFF"\n') == "1: found text that is not YAML; expected a YAML file"
    assert complaint_of("a: [\n").startswith("2: found invalid YAML in column 1 (")


def test_numbers_that_python_can_not_hold_are_text() -> None:
    text = "agent: {backend: {type: ollama, model: m, seed: " + "9" * 5000 + "}}\n"
    assert complaint_of(text) == "1: agent.backend.seed: found a text of 5,000 characters; expected a whole number"
