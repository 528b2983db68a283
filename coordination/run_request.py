"""A request for a run: what may be asked for, by whom, and whose words the run is made of."""

from dataclasses import dataclass

from coordination.domain import states as s
from coordination.domain.events import Exchange
from coordination.domain.policy import Authors, Person
from coordination.errors import RefusedError
from coordination.run_options import MAX_PROMPT
from coordination.text import Text


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A request for a run.

    Attributes:
        config_text: the configuration as written.
        origin: its file.
        run: a name kept free.
        config_is_named: whether it was asked for by name, and is not the one that holds there.
        goes_on_from: whose words the run was made of that this one repeats or goes on from.
        asked_in: the channel, or the private thread, that it was asked in; empty at a terminal.
    """

    prompt: str
    requester: Person
    config_name: str
    config_text: str
    origin: str
    history: tuple[Exchange, ...] = ()
    run: str = ""
    goes_on_from: Authors | None = None
    asked_in: str = ""
    config_is_named: bool = False


def checked_prompt(text: str) -> str:
    """The words of a request, without space around them.

    Raises:
        RefusedError: there are none, or too many.
    """
    prompt = text.strip()
    if not prompt:
        raise RefusedError("empty_prompt", Text("Say what the agents should do: the request is empty."))
    if len(prompt) > MAX_PROMPT:
        raise RefusedError(
            "long_prompt",
            Text(
                "The request has {count} characters; {limit} are allowed. Shorten it.",
                count=len(prompt),
                limit=MAX_PROMPT,
            ),
        )
    return prompt


def authors_for(request: RunRequest) -> Authors:
    """Whose words a run is made of: who asks now, and everybody of the run that it goes on from."""
    return authors_after(request.requester, request.goes_on_from)


def authors_after(requester: Person, before: Authors | None) -> Authors:
    """Whose words a run of this requester is made of, if it goes on from one that was made of these people's."""
    if before is None:
        return Authors(requester=requester)
    people = s.with_person(before.earlier, before.requester)
    earlier = tuple(person for person in people if not person.is_same_as(requester))
    return Authors(requester=requester, earlier=earlier, shapers=before.shapers)
