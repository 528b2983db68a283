"""The hours of a rule: `time` in its `when`.

It is written as `{from: "09:00", to: "17:00", days: [mon-fri], zone: Europe/Berlin}`.
"""

import re
from collections.abc import Iterator, Sequence

from coordination.config.diagnostics import Diagnostics, Place, quoted
from coordination.config.yaml_tree import Listing, Node, Scalar, Table, kind_of
from coordination.domain.conditions import DAYS, Condition, zone_of
from coordination.text import Text, either

_KEYS = ("from", "to", "days", "zone")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_FIRST, _LAST = "00:00", "24:00"


def hours_of(node: Node, place: Place, report: Diagnostics) -> Iterator[Condition]:
    """The condition that a mapping of hours is; the report tells of what is wrong with it."""
    if not isinstance(node, Table):
        report.expect(place, kind_of(node), Text("a mapping with {keys}", keys=either(_KEYS)))
        return
    for key in node.entries:
        if key not in _KEYS:
            report.expect(node.place_of(key), quoted(key), either(_KEYS), report.nearest(key, _KEYS))
    begins, ends = _clock(node, "from", _FIRST, report), _clock(node, "to", _LAST, report)
    if begins >= ends:
        expected = Text("a time earlier than to; for hours past midnight, write two rules")
        report.expect(node.place_of("from"), quoted(begins), expected)
    days, zone = _days(node, report), node.entries.get("zone")
    name = zone.text if isinstance(zone, Scalar) else ""
    if zone_of(name) is None:
        found = quoted(zone.source) if isinstance(zone, Scalar) else Text("nothing")
        report.expect(node.place_of("zone"), found, Text("the name of a time zone, such as Europe/Berlin or UTC"))
    hours = {"from": begins, "to": ends, "days": list(days), "zone": name}
    yield Condition(about="time", operator="within", value=hours)


def _clock(table: Table, key: str, default: str, report: Diagnostics) -> str:
    """A time of day, as it is written: YAML may take it for a number."""
    node = table.entries.get(key)
    if node is None:
        return default
    if isinstance(node, Scalar) and _CLOCK.fullmatch(node.text):
        return node.text
    found = quoted(node.source) if isinstance(node, Scalar) else kind_of(node)
    report.expect(table.place_of(key), found, Text("a time from 00:00 to 24:00, such as 09:00"))
    return default


def _days(table: Table, report: Diagnostics) -> Sequence[str]:
    """Each day that is named, by itself or between two others; all of them where nothing is written."""
    node = table.entries.get("days")
    if node is None:
        return DAYS
    items = node.items if isinstance(node, Listing) else (node,)
    found: set[str] = set()
    for item in items:
        text = item.text if isinstance(item, Scalar) else ""
        first, dash, last = text.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            named = quoted(item.source) if isinstance(item, Scalar) else kind_of(item)
            report.expect(table.place_of("days"), named, Text("days such as mon or mon-fri"))
            continue
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {DAYS[day % 7] for day in range(begin, end + 1 if begin <= end else end + 8)}
    if not items:
        report.expect(table.place_of("days"), Text("no days"), Text("days such as mon or mon-fri"))
    return [day for day in DAYS if day in found]
