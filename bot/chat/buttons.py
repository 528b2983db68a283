"""Clicks: what an opaque id stands for, whether it still counts, what it needs first, and what it does."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from bot.cards.break_glass import break_glass_form, reason_in
from bot.cards.grants import given_line, grant_form, grant_terms
from bot.cards.linked_runs import LINK_ACTIONS
from bot.cards.parts import mention
from bot.cards.plan_edits import EditableArgument, edit_form, edited_argument, selected_indexes, selection_form
from bot.cards.text import visible
from bot.chat.card_sync.context import with_link
from bot.chat.card_sync.open_questions import event_of, words_of
from bot.chat.card_sync.snapshot import unknown_outcome_of
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import ChatRefusal, done_card, error_card, not_done_card, refused
from bot.chat.run_queries import RunQueries, find_card, home_of, is_at_home
from bot.chat.service_port import (
    AskForText,
    AskToConfirm,
    CancelRun,
    CancelThread,
    Nothing,
    Pages,
    PressButton,
    Private,
    Reply,
    Started,
    SubmitText,
)
from bot.chat.start_run import AskAgain, RunStarter
from bot.chat.store import AuditEntry, ButtonRecord, CardCopy, CardRecord, ChatStore, Done, Gone, Live, Reposting
from bot.chat.thread_question import as_new_run, check_answer, is_question
from bot.i18n import catalog
from bot.message import FORMS, Action, Paragraph, RichText, StyledText, TextForm, Timestamp
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.domain.plan import Plan
from coordination.domain.policy import Person, Refusal, RunAction
from coordination.domain.preset_plan import Purpose
from coordination.domain.states import RunState
from coordination.errors import RefusedError
from coordination.plan_edits import with_argument
from coordination.ports import Clock
from coordination.service import Coordinator

_VERDICTS: dict[Action, Verdict] = {Action.HAPPENED: "happened", Action.RUN_IT: "run_it", Action.ABANDON: "abandon"}
_WRITTEN = {
    Action.REJECT: RunAction.REJECT,
    Action.CHANGE: RunAction.CHANGE,
    Action.ANSWER: RunAction.ANSWER,
    Action.SELECT: RunAction.CHANGE,
    Action.EDIT: RunAction.CHANGE,
    Action.GRANT: RunAction.GRANT,
    Action.BREAK_GLASS: RunAction.BREAK_GLASS,
}
"""What is done with the words of each window."""
_BY_ROLE = frozenset({Refusal.NOT_AN_APPROVER, Refusal.NOT_FOR_BREAK_GLASS, Refusal.NOT_YOURS})
"""What somebody may be told whose roles the chat does not show."""
_ID_SHOWN = 40
SUPERSEDED = "superseded_card"


@dataclass(frozen=True, kw_only=True)
class ButtonHandler:
    """Takes clicks, and words to stop a run, to the coordinator."""

    store: ChatStore
    coordinator: Coordinator
    run_starter: RunStarter
    run_queries: RunQueries
    clock: Clock
    wake: Callable[[], None]

    async def press(self, request: PressButton | SubmitText, by: Person, place: ChannelRef) -> Reply:
        """Ask for what a button needs, or act on it, unless the same event was seen before."""
        try:
            known, card = await self._known(by, request, place)
        except ChatRefusal as error:
            return await self._unknown(error, request, by, place)
        action = Action(known.action)
        if isinstance(request, PressButton):
            try:
                reply = await self._needed(request, action, known, card, by)
            except RefusedError as error:
                reply = await self._refused(error, action, card, by, place, seen=request.message)
                self.wake()
            if reply is not None:
                return reply
        if await self._is_repeated(request, by):
            return Nothing()
        if action in (Action.ASK_AGAIN, Action.START_NEW, *LINK_ACTIONS):
            return await self._start(action, known, AskAgain(card=card, event_id=request.event_id), by, place)
        try:
            if action is Action.GRANT:
                return await self._grant(by, known, request)
            state = await self._decide(by, known, action, request)
        except RefusedError as error:
            return await self._refused(error, action, card, by, place, seen=request.message)
        finally:
            self.wake()
        return await self._saved(card, state) if is_at_home(known) else Nothing()

    async def _unknown(
        self, error: ChatRefusal, request: PressButton | SubmitText, by: Person, place: ChannelRef
    ) -> Reply:
        """What is told of a button that does not count for them here.

        Raises:
            ChatRefusal: the refusal itself.
        """
        if await self._is_repeated(request, by):
            return Nothing()
        what = f"{request.button[:_ID_SHOWN]} on {request.message[:_ID_SHOWN]}"
        await self._keep_for_audit(by, place, error.refusal, what)
        if (newer := await self._newer(error, request, by)) is not None:
            return newer
        raise error

    async def _grant(self, by: Person, known: ButtonRecord, request: PressButton | SubmitText) -> Reply:
        """Allow calls like the chosen one, for the time and the number that were filled in."""
        plan = await self.coordinator.grants.check(known.run, known.digest, by)
        terms = grant_terms(plan, request.choice, _fields_of(request))
        grant = await self.coordinator.grants.give(
            known.run, known.digest, by, terms.index, lasts=terms.lasts, most=terms.most, free=terms.free
        )
        return Private(done_card(given_line(grant)))

    async def _saved(self, card: CardRecord, state: RunState) -> Reply:
        """What whoever decided somewhere else than on a card is told in its stead."""
        line = catalog.rich("chat.saved", run=card.run, state=catalog.text(f"state.{state.kind}"))
        return Private(with_link(done_card(line), await self.run_queries.link_of(card)))

    async def _start(
        self, action: Action, known: ButtonRecord, again: AskAgain, by: Person, place: ChannelRef
    ) -> Reply:
        """The run of a button that begins one. That of a question begins where the words were said."""
        if action is Action.START_NEW:
            return await self.run_starter.start(as_new_run(known), by, words_of(known)[1])
        if action in LINK_ACTIONS:
            return await self._link(LINK_ACTIONS[action], again.card, by)
        return await self.run_starter.start(again, by, place)

    async def _refused(
        self, error: RefusedError, action: Action, card: CardRecord, by: Person, place: ChannelRef, *, seen: str
    ) -> Reply:
        """Say why not, and look after the card.

        What they saw may be a picture that the product would not let us change.
        """
        if isinstance(error, ChatRefusal):
            await self._keep_for_audit(by, place, error.refusal, f"{action} of run {card.run}")
        if not isinstance(card.state, Done):
            await self.store.save(card, _revived(card).waking(self.clock.now()))
        return await self._refusal(error, card, by, seen=seen)

    async def _link(self, purpose: Purpose, card: CardRecord, by: Person) -> Reply:
        """Have a run begin with what is left to plan after this one, whose card then says so."""
        made = await self.run_starter.link(card, purpose, by)
        kept = replace(card, state=Live(post=card.state.post)) if isinstance(card.state, Done) else card
        await self.store.save(card, kept.waking(self.clock.now()))
        self.wake()
        if made.is_new:
            return Started(made.run, made.note)
        line = catalog.rich("chat.linked_already", run=StyledText(visible(made.run), "bold"))
        newer = await self.store.card(made.run, by.tenant)
        url = "" if newer is None else await self.run_queries.link_of(newer)
        return Private(with_link(done_card(line), url))

    async def look_again(self, cards: Sequence[CardRecord], copies: Sequence[CardCopy]) -> None:
        """Have card sync show cards and copies anew at once, without a pause, even a card that it has given up."""
        for card in cards:
            await self.store.save(card, _revived(card).with_fingerprint("").waking(self.clock.now()))
        for copy in copies:
            await self.store.save_copy(copy, replace(copy, shown=""))
            if (origin := await self.store.card(copy.run, copy.tenant)) is not None:
                await self.store.save(origin, _revived(origin).waking(self.clock.now()))
        if cards or copies:
            self.wake()

    async def cancel(self, request: CancelRun | CancelThread, by: Person, place: ChannelRef) -> Reply:
        """Stop a run that is named, or whose thread this is."""
        if isinstance(request, CancelRun):
            named = request.run
        elif found := await self.store.run_of_thread(place.tenant, place.channel, place.thread):
            named = found
        else:
            return Nothing()
        card = await find_card(self.run_queries.log, self.store, by, place, named)
        try:
            await self.coordinator.cancel(card.run, by)
        except RefusedError as error:
            return await self._refusal(error, card, by)
        finally:
            self.wake()
        return Private(done_card(catalog.rich("chat.stopped", run=card.run)))

    async def _needed(
        self, request: PressButton, action: Action, known: ButtonRecord, card: CardRecord, by: Person
    ) -> Reply | None:
        """What comes before the click counts, or in its stead. It changes nothing.

        A window opens only for those whose words would count: nobody writes a reason for nothing.

        Raises:
            RefusedError: they would not.
        """
        if action is Action.GRANT:
            plan = await self.coordinator.grants.check(known.run, known.digest, by)
            return AskForText(grant_form(plan, request.choice), card.run)
        if (form := FORMS.get(action)) is not None:
            await self.coordinator.check(known.run, known.digest, by, _WRITTEN[action], number=known.index or 0)
            return AskForText(await self._filled(form, known, by, request.choice), card.run)
        if action is Action.DETAILS:
            return Pages(card.run, await self.run_queries.pages(card))
        if action is not Action.APPROVE or request.is_confirmed:
            return None
        question = await self.run_queries.question(card, known.digest)
        return None if question is None else AskToConfirm(question)

    async def _filled(self, form: TextForm, known: ButtonRecord, by: Person, choice: str) -> TextForm:
        """A form with what it offers of the plan."""
        if form.asks == "select":
            return selection_form(await self._plan(known, by))
        if form.asks == "break_glass":
            return break_glass_form(await self._plan(known, by))
        return edit_form(await self._argument(known, by, choice)) if form.asks == "edit" else form

    async def _plan(self, known: ButtonRecord, by: Person) -> Plan:
        """The plan that a button is about, if it still waits.

        Raises:
            RefusedError: it does not.
        """
        state = await self.coordinator.state(known.run, by.tenant)
        if not isinstance(state, s.AwaitingDecision) or state.plan.digest != known.digest:
            raise refused("no_button")
        return state.plan

    async def _argument(self, known: ButtonRecord, by: Person, choice: str) -> EditableArgument:
        found = edited_argument(await self._plan(known, by), choice)
        if found is None:
            raise refused("no_button")
        return found

    async def _is_repeated(self, request: PressButton | SubmitText, by: Person) -> bool:
        event_id = request.event_id
        return bool(event_id) and not await self.store.is_new(f"press:{event_id}", by.tenant, self.clock.now())

    async def _known(
        self, by: Person, request: PressButton | SubmitText, place: ChannelRef
    ) -> tuple[ButtonRecord, CardRecord]:
        """The button and its card, if the click came from the message that the card stands on.

        Raises:
            RefusedError: it did not.
        """
        message = request.message
        found = await self.store.find_button(request.button, by.tenant)
        if found is not None and is_question(found[0]):
            check_answer(found[0], by, place, self.clock.now())
            await self.store.question_shown(event_of(found[0]), by.tenant)
            return found
        if found is not None and is_at_home(found[0]):
            await self._check_home(found[0], by, place)
            return found
        if found is not None and found[0].copy and by.tenant == place.tenant:
            await self._check_copy(found[0], by, message, place)
            return found
        if found is None or not message or by.tenant != place.tenant or not _is_here(found[1], place):
            raise refused("no_button")
        known, card = found
        if known.attempt == card.attempt and not card.message:
            # The post reached the product, and its answer has not reached us, or never will: now we know where it is.
            await self.store.posted(card, message, self.clock.now())
            card = await self.store.card(card.run, by.tenant) or card
        if known.attempt != card.attempt or card.message != message:
            await self._mark_superseded(card, message)
            raise refused(SUPERSEDED, run=card.run)
        return known, card

    async def _check_home(self, known: ButtonRecord, by: Person, place: ChannelRef) -> None:
        """The buttons on somebody's own page count for them there, while they may read all of the plan that waits.

        Raises:
            RefusedError, RunNotFoundError: it was somebody else, or somewhere else, or they may not any more.
        """
        if known.copy != home_of(by) or place.channel or place.tenant != known.tenant:
            raise refused("no_button")
        state = await self.coordinator.state(known.run, by.tenant)
        if isinstance(state, s.AwaitingDecision) and state.plan.digest == known.digest:
            await self.run_queries.readable(known.run, by, place)

    async def _check_copy(self, known: ButtonRecord, by: Person, message: str, place: ChannelRef) -> None:
        """A copy's buttons count on its own message, for the person whose it is or for all in its channel.

        Raises:
            RefusedError: it was somebody else, or somewhere else.
        """
        copies = await self.store.copies(known.run, known.tenant)
        copy = next((each for each in copies if each.copy == known.copy), None)
        if copy is None or not message or not copy.is_before(by, place.channel):
            raise refused("no_button")
        if known.attempt == copy.attempt and not copy.message:
            # As with a card: the answer to the post has not reached us, and now we know where it is.
            found = replace(copy, message=message, state="live")
            copy = found if await self.store.save_copy(copy, found) else copy
        if (known.attempt, message) != (copy.attempt, copy.message):
            raise refused(SUPERSEDED, run=known.run)

    async def _mark_superseded(self, card: CardRecord, unexpected: str) -> None:
        """Have card sync look at once, though nothing happened to the run: even at a card that it is done with."""
        await self.store.mark_unexpected(card, unexpected)
        kept = replace(card, state=Live(post=card.state.post)) if isinstance(card.state, Done) else card
        await self.store.save(card, kept.waking(self.clock.now()))
        self.wake()

    async def _newer(self, error: ChatRefusal, request: PressButton | SubmitText, by: Person) -> Reply | None:
        """Of a card that a newer one replaced: that, and where the newer one stands, if it has an address."""
        found = await self.store.find_button(request.button, by.tenant) if error.refusal == SUPERSEDED else None
        url = "" if found is None else await self.run_queries.link_of(found[1])
        return Private(with_link(error_card(error), url)) if url else None

    async def _refusal(self, error: RefusedError, card: CardRecord, by: Person, *, seen: str = "") -> Reply:
        """Why the run, as it is now, does not let this person do that, with a link to its card if it was not `seen`."""
        state = await self.coordinator.state(card.run, by.tenant)
        url = await self.run_queries.link_of(card) if seen != card.message else ""
        if error.refusal == Refusal.ALREADY_DECIDED and (decided := await self._decided(card.run, state)) is not None:
            return Private(with_link(not_done_card(decided), url))
        told = error_card(error, state=state)
        if error.refusal in _BY_ROLE and isinstance(state, s.AwaitingDecision | s.NeedsHuman):
            pins = self.run_starter.name_pins
            hidden = await pins.why_hidden(state.plan.policy, card.platform, by.tenant)
            told = replace(told, sections=(*told.sections, *([_line(hidden)] if hidden else [])))
        return Private(with_link(told, url))

    async def _decided(self, run: str, state: RunState) -> RichText | None:
        """Who decided, and when; None: time ran out, or nobody is known."""
        for recorded in reversed(await self.run_queries.log.read(run)):
            match recorded.event:
                case e.ApprovalGiven(by=by) | e.PlanRejected(by=by) | e.ChangesRequested(by=by) | e.RunCancelled(by=by):
                    at, how = Timestamp(recorded.at), catalog.text(f"state.{state.kind}")
                    return catalog.rich("chat.decided_by", who=mention(by), at=at, state=how)
                case e.PlanExpired():
                    return None
                case _:
                    continue
        return None

    def _decide(
        self, by: Person, known: ButtonRecord, action: Action, request: PressButton | SubmitText
    ) -> Awaitable[RunState]:
        people, run, digest = self.coordinator, known.run, known.digest
        text = request.text if isinstance(request, SubmitText) else request.choice
        match action:
            case Action.APPROVE:
                return people.approve(run, digest, by)
            case Action.REJECT:
                return people.reject(run, digest, by, text)
            case Action.BREAK_GLASS:
                return people.break_glass(run, digest, by, reason_in(_fields_of(request)))
            case Action.CHANGE_THIS:
                return people.request_changes(run, digest, by, words_of(known)[0])
            case Action.CHANGE | Action.CHOOSE | Action.SELECT | Action.EDIT:
                return self._revise(by, known, action, text, request.choice)
            case Action.CANCEL | Action.WITHDRAW:
                return people.cancel(run, by) if action is Action.CANCEL else people.withdraw(run, digest, by)
            case Action.ANSWER:
                return people.answer(run, known.index or 0, by, text)
            case Action.HAPPENED | Action.RUN_IT | Action.ABANDON:
                return self._settle(by, known, _VERDICTS[action])
            case (
                Action.GRANT | Action.DETAILS | Action.ASK_AGAIN | Action.START_NEW | Action.TRY_REST | Action.PLAN_UNDO
            ):
                raise refused("no_button")
            case _:
                assert_never(action)

    async def _revise(
        self,
        by: Person,
        known: ButtonRecord,
        action: Literal[Action.CHANGE, Action.CHOOSE, Action.SELECT, Action.EDIT],
        text: str,
        choice: str,
    ) -> RunState:
        """Another plan, by the agents or of what they have said already."""
        people, run, digest = self.coordinator, known.run, known.digest
        match action:
            case Action.CHANGE:
                return await people.request_changes(run, digest, by, text)
            case Action.CHOOSE:
                return await people.choose(run, digest, by, _agent(text))
            case Action.SELECT:
                return await people.select(run, digest, by, selected_indexes(text))
            case Action.EDIT:
                argument = await self._argument(known, by, choice)
                written = with_argument((await self._plan(known, by)).calls[argument.index], argument.name, text)
                return await people.edit(run, digest, by, argument.index, written)
            case _:
                assert_never(action)

    async def _settle(self, by: Person, known: ButtonRecord, verdict: Verdict) -> RunState:
        """A word about one doubt says nothing about the next one, though it be of the same call."""
        state = await self.coordinator.state(known.run, by.tenant)
        if isinstance(state, s.NeedsHuman) and unknown_outcome_of(state) != known.value:
            raise refused("older_doubt")
        index, attempt = -1 if known.index is None else known.index, int(known.value or 0)
        return await self.coordinator.resolve(known.run, index, by, verdict, attempt=attempt)

    async def _keep_for_audit(self, by: Person, place: ChannelRef, what: str, detail: str) -> None:
        await self.store.add_audit_entry(
            AuditEntry(
                tenant=by.tenant,
                channel=place.channel,
                by=by.id,
                by_name=by.name,
                at=self.clock.now(),
                what=f"refused {what}",
                detail=detail,
            )
        )


def _line(text: str) -> Paragraph:
    return Paragraph(lines=((StyledText(visible(text)),),))


def _revived(card: CardRecord) -> CardRecord:
    """A card that card sync looks after, though it had given it up."""
    if not isinstance(card.state, Gone):
        return card
    return replace(card, state=Reposting() if card.state.post is None else Live(post=card.state.post))


def _is_here(card: CardRecord, place: ChannelRef) -> bool:
    return (card.tenant, card.channel) == (place.tenant, place.channel)


def _agent(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _fields_of(request: PressButton | SubmitText) -> Mapping[str, str]:
    """What was filled in; a click alone fills in nothing."""
    return request.fields if isinstance(request, SubmitText) else {}
