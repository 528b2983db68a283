"""Events as text and back, and the hash that chains them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from coordination.domain.events import RunEvent
from coordination.domain.states import AwaitingDecision, RunState
from coordination.errors import StorageError

Fields: TypeAlias = dict[str, object]
Upcast: TypeAlias = Callable[[Fields], Fields]
"""Makes of an event's fields, as one version wrote them, what the next version would have written."""


def _without_authors(fields: Fields) -> Fields:
    """A request of the time before its lineage was recorded: its log is judged as it was then."""
    return {**fields, "rules_version": 1}


def _with_defaults(fields: Fields) -> Fields:
    """A step whose new fields have defaults that say what older events mean."""
    return fields


UPCASTS: Mapping[str, tuple[Upcast, ...]] = {
    "run_requested": (_without_authors,),
    # Planned calls got `settings` and `target`.
    "action_recorded": (_with_defaults,),
    "answer_accepted": (_with_defaults,),
    "plan_proposed": (_with_defaults,),
    "run_answered": (_with_defaults,),
}
"""By kind, one step from each older version to the next; a kind without any is at version 1."""

PROMPT_EXCERPT = 500
"""Characters of the request that a list of runs may show."""

FIRST_PREV = "0" * 64
"""What stands for the hash before a run's first event."""

_YOUNGER = (
    b',"home_team":"","is_guest":false,"is_bot":false,"is_deleted":false',
    b',"allow_external":false',
    b',"binds_automatic":false',
    b',"asked_in":""',
    b',"config_is_named":false',
    b',"because":""',
    b',"limit":0.0',
    b',"answer_until":null',
    b',"outage":null',
)
"""Fields that stored events did not always have, as they are written where nothing is set: then they are left out.

So an event of which they say nothing has the text that it always had. No string in JSON can contain these bytes, for the
quotes within it are escaped.
"""

_EVENTS: TypeAdapter[RunEvent] = TypeAdapter(Annotated[RunEvent, Field(discriminator="kind")])


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An event and its stored form. `event` is what reading that form gives back."""

    event: RunEvent
    kind: str
    v: int
    body: str


def encode(event: RunEvent) -> Encoded:
    """The stored form of an event, in the newest version of its kind."""
    try:
        body = _EVENTS.dump_json(event)
    except PydanticSerializationError:
        # Half of a surrogate pair, which a model may write and no file can hold.
        text = json.dumps(_EVENTS.dump_python(event, mode="json"), ensure_ascii=False)
        event = _EVENTS.validate_json(text.encode("utf-8", "replace"))
        body = _EVENTS.dump_json(event)
    for absent in _YOUNGER:
        body = body.replace(absent, b"")
    return Encoded(event=event, kind=event.kind, v=_newest(event.kind, UPCASTS), body=body.decode())


def decode(kind: str, v: int, body: str, *, upcasts: Mapping[str, tuple[Upcast, ...]] = UPCASTS) -> RunEvent:
    """An event from its stored form, whatever version wrote it.

    Raises:
        StorageError: a newer program wrote it, or it is damaged.
    """
    newest = _newest(kind, upcasts)
    if v > newest:
        raise StorageError(f"A newer massgen-bot wrote an event of kind {kind}: upgrade this program.")
    try:
        if v == newest:
            event = _EVENTS.validate_json(body)
        else:
            fields: Fields = from_json(body)
            for step in upcasts[kind][v - 1 :]:
                fields = step(fields)
            event = _EVENTS.validate_python(fields)
    except (ValidationError, ValueError):
        raise StorageError(
            f"An event of kind {kind} can't be read: upgrade this program, or find what changed it with "
            "`massgen-bot audit verify`."
        ) from None
    return event


def time_text(at: datetime) -> str:
    """A moment in the one form that is stored: `2026-11-22T12:00:00.000000+00:00`."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone is not a moment")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def event_hash(prev: str, *, run: str, seq: int, at: str, kind: str, v: int, body: str) -> str:
    """The hash of one event and, through `prev`, of all before it. docs/audit.md tells others how to recompute it."""
    text = "\n".join(("massgen-bot/event", prev, run, str(seq), at, kind, str(v), body))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def plain_text(text: str) -> str:
    """A text that every database takes: without NUL and half surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def summary_row(run: str, state: RunState, at: str) -> dict[str, object]:
    """A run's line in the list of runs, where its newest event is of this time; `seq` and `head` are left to add."""
    request = state.request
    return {
        "run": run,
        "tenant": plain_text(request.tenant),
        "state": state.kind,
        "prompt": plain_text(request.prompt[:PROMPT_EXCERPT]),
        "requester": plain_text(request.requester.name),
        "config": plain_text(request.config),
        "started_at": at,
        "updated_at": at,
        "expires_at": time_text(state.plan.expires_at) if isinstance(state, AwaitingDecision) else None,
    }


def _newest(kind: str, upcasts: Mapping[str, tuple[Upcast, ...]]) -> int:
    return len(upcasts.get(kind, ())) + 1
