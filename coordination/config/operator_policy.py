"""The operator's own rules over every configuration, which can only make it stricter.

Their text is stored with each run's copy of its configuration, as one more line, a comment to YAML. So the digest of
the configuration covers it, whoever takes the run up reads the rules that held when it began, and the rules of now are
compared.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from coordination.config.diagnostics import Diagnostics
from coordination.config.interpolation import Variables, put_in
from coordination.config.key_types import Flag, Sections
from coordination.config.section_reader import Reading, Section
from coordination.config.sections import RuleKeys
from coordination.config.tool_policy import read_rules
from coordination.config.yaml_tree import read
from coordination.domain.canonical_json import digest
from coordination.domain.quorums import Needs
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import ConfigError

OPERATOR_POLICY = "MASSGEN_BOT_POLICY"
_MARK = "# massgen-bot policy: "
_LAST = 2
"""The line of the rules is one of so many at the end: after it comes that of the approvers, if there is one."""
_SHORT = 16


class OperatorRules(Section):
    """A file of the operator's rules: `tools`, as in a configuration.

    With `grants: false` no standing grant counts anywhere, with `break_glass: false` nobody approves alone in an
    emergency.
    """

    tools: Sections[RuleKeys] = ()
    grants: Flag = True
    break_glass: Flag = True

    @property
    def barred(self) -> Needs:
        """What no plan may have, whatever its calls are."""
        return Needs(bars_grants=not self.grants, bars_break_glass=not self.break_glass)


def operator_rules(text: str, origin: str = OPERATOR_POLICY) -> tuple[Rule, ...]:
    """The rules of a text; none of an empty one.

    Raises:
        ConfigError: it can't be used, with every problem of it.
    """
    if not text.strip():
        return ()
    report = Diagnostics(origin)
    written = read(text, report)
    root = None if written is None else put_in(written, Variables({}), report)
    if root is None:
        raise ConfigError(report.render())
    file = OperatorRules.model_validate(root, context=Reading(report))
    rules, _ = read_rules(file.tools, None, report)
    if file.barred:
        source = ", ".join(key for key in ("grants", "break_glass") if getattr(file, key) is False)
        rules = (
            *(replace(each, needs=each.needs.and_also(file.barred)) for each in rules),
            Rule(match="*", effect=Effect.READ, source=source, needs=file.barred),
        )
    report.raise_if_any()
    return tuple(replace(each, source=f"{OPERATOR_POLICY} {each.source}", is_operators=True) for each in rules)


def digest_of(text: str) -> str:
    """What stands for a text of rules in a plan; empty for none."""
    return digest("operator-policy", text)[:_SHORT] if text.strip() else ""


def with_operator_policy(config_text: str, policy: str) -> str:
    """A configuration's text under these rules of the operator, and no others; before it gets a line of approvers."""
    bare = without_operator_policy(config_text)
    if not policy.strip():
        return bare
    end = "" if bare.endswith("\n") or not bare else "\n"
    return f"{bare}{end}{_MARK}{json.dumps(policy)}\n"


def without_operator_policy(config_text: str) -> str:
    """A configuration's text as its file has it."""
    lines = config_text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_MARK)) if _MARK in config_text else config_text


def operator_policy_in(config_text: str) -> str:
    """The operator's rules in a text; empty if there are none."""
    found = _marked(config_text.rstrip("\n").split("\n")[-_LAST:])
    return "" if found is None else str(json.loads(found.removeprefix(_MARK)))


def _marked(lines: Sequence[str]) -> str | None:
    return next((line for line in lines if line.startswith(_MARK)), None)
