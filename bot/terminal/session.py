"""An interactive session with one run: shows its progress, and accepts decisions from a person or a script."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import assert_never

from bot.cards.error_messages import notice_for, refusal_text
from bot.cards.plan_edits import selected_indexes
from bot.cards.run_card import card_for, open_questions
from bot.cards.run_view import RunView, next_view
from bot.terminal import prompts as q
from bot.terminal.cli_context import PresetDecision
from bot.terminal.screen import Happened, Inbox, Interrupted, Listener, Screen, Ticked, Typed
from coordination.domain import states as s
from coordination.domain.policy import Person
from coordination.domain.transitions import Recorded
from coordination.errors import ConflictError, RefusedError, RunNotFoundError
from coordination.ports import Clock, RunLog
from coordination.service import Coordinator

_TICK = 0.25


class InteractiveSession:
    """One run, one person, one terminal."""

    def __init__(
        self,
        coordinator: Coordinator,
        log: RunLog,
        *,
        clock: Clock,
        person: Person,
        screen: Screen,
        inbox: Inbox,
        keyboard: Listener | None = None,
        preset: PresetDecision | None = None,
        emit: Callable[[Recorded], None],
        add_error: Callable[[str], None],
    ) -> None:
        """Without a keyboard nothing is asked: a run that needs somebody is left waiting.

        `emit` gets every event of the run once; `add_error` gets the sentences of what was refused.
        """
        self._coordinator = coordinator
        self._log = log
        self._clock = clock
        self._person = person
        self._screen = screen
        self._inbox = inbox
        self._keyboard = keyboard
        self._preset = preset
        self._emit = emit
        self._print_error = add_error
        self._question: q.Question | None = None
        self._shown: object = None
        self._obeyed: str | None = None
        self._acted_at = 0
        self._held: list[tuple[Recorded, RunView]] = []
        self._is_left = False

    def glimpse(self, view: RunView) -> None:
        """Show a run that is at work, before there is time to attend it."""
        if _concern(view, self._clock.now()) is None:
            self._screen.watch(view)

    async def run(self, run: str, *, tells_past: bool = False) -> RunView:
        """Follow a run to its end, or until it must be left, and decide where asked to. Returns how it stands."""
        past = await self._log.read(run)
        view: RunView | None = None
        for recorded in past:
            view = next_view(view, recorded)
            self._emit(recorded)
            if tells_past:
                self._screen.tell(recorded, view)
        if view is None:
            raise RunNotFoundError(run)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._follow(run, view.seq)), group.create_task(self._tick())]
            view = await self._converse(view)
            for task in tasks:
                task.cancel()
        return view

    async def _follow(self, run: str, after: int) -> None:
        async for recorded in self._log.follow(run, after):
            self._inbox.put_nowait(Happened(recorded))

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(_TICK)
            self._inbox.put_nowait(Ticked())

    async def _converse(self, view: RunView) -> RunView:
        """Take one message after the other until there is nothing left to wait for."""
        await self._stand(view)
        while not self._is_left and view.ended_at is None:
            message = await self._inbox.get()
            if isinstance(message, Happened):
                view = self._take_in(view, message.recorded)
                if self._inbox.empty():
                    await self._stand(view)
            else:
                await self._react(view, message)
        self._withdraw()
        if view.ended_at is not None:
            await self._stand(view)  # The last event may have come in with something behind it.
        self._screen.watch(None)
        return view

    def _take_in(self, view: RunView, recorded: Recorded) -> RunView:
        self._emit(recorded)
        view = next_view(view, recorded)
        if self._question is not None and self._concern(view) != self._shown:
            self._withdraw()
        if self._question is None:
            self._screen.tell(recorded, view)
        else:
            self._held.append((recorded, view))
        return view

    async def _stand(self, view: RunView) -> None:
        """Show how the run stands now, and ask what there is to ask. Comes back at once."""
        if self._question is not None:
            return
        concern = self._concern(view)
        if concern is None:
            self._screen.watch(view)
        elif concern != self._shown:
            self._screen.settle(view)
        self._shown = concern
        # After a deed of ours its event must come in first: until then the view is of before it.
        if concern is not None and view.ended_at is None and view.seq > self._acted_at:
            await self._seek_decision(view)

    async def _seek_decision(self, view: RunView) -> None:
        state = view.state
        if isinstance(state, s.AwaitingDecision) and self._preset is not None:
            await self._obey(view, state, self._preset)
        elif self._keyboard is None:
            self._is_left = True
        else:
            card = card_for(view, self._clock.now())
            self._open(q.question_for(card))

    async def _obey(self, view: RunView, state: s.AwaitingDecision, preset: PresetDecision) -> None:
        """Apply the order once to each plan; one that needs more people than this one is left to them."""
        digest = state.plan.digest
        if self._obeyed == digest:
            self._is_left = any(self._person.is_same_as(each) for each in state.approvals)
            return
        self._obeyed = digest
        if preset.approves:
            deed = self._coordinator.approve(view.run, digest, self._person)
        else:
            deed = self._coordinator.reject(view.run, digest, self._person, preset.reason)
        self._is_left = not await self._try(view, deed)

    async def _react(self, view: RunView, message: Typed | Interrupted | Ticked) -> None:
        match message:
            case Typed(text=text):
                await self._answer(view, text)
            case Interrupted(is_final=is_final):
                await self._interrupt(view, is_final=is_final)
            case Ticked():
                if isinstance(view.state, s.AwaitingDecision) and self._clock.now() >= view.state.plan.expires_at:
                    await self._coordinator.state(view.run)
                    return
                if isinstance(view.state, s.NeedsHuman) and self._concern(view) != self._shown:
                    self._withdraw()  # From now on the call can be run again.
                if self._question is None:
                    await self._stand(view)
            case _:
                assert_never(message)

    async def _interrupt(self, view: RunView, *, is_final: bool) -> None:
        """Ctrl-C asks what to do; a second one leaves; inside another question it takes only that one back."""
        is_asked = isinstance(self._question, q.KeyQuestion) and self._question.is_about_stopping
        if is_final or self._keyboard is None or is_asked:
            self._is_left = True
            return
        is_detour = self._question is not None and self._question.is_detour
        self._withdraw()
        if is_detour:
            await self._stand(view)
        else:
            self._open(q.stop_question(may_leave=not isinstance(view.state, s.Executing)))

    async def _answer(self, view: RunView, typed: str) -> None:
        question = self._question
        if question is None:
            return
        if isinstance(question, q.LineQuestion):
            answer = question.answer(typed)
        else:
            choice = question.answer(typed)
            if choice is None:
                return
            self._screen.answered(choice.word)
            answer = choice.answer
        self._close()
        await self._carry_out(view, answer)

    async def _carry_out(self, view: RunView, answer: q.Answer) -> None:
        match answer:
            case q.KeyQuestion() | q.LineQuestion():
                self._open(answer)
            case q.Back() | q.Stop(how="stay"):
                await self._stand(view)
            case q.Stop(how="leave"):
                self._is_left = True
            case q.Details():
                self._screen.explain(view, await self._log.read(view.run))
                await self._stand(view)
            case (
                q.Approve()
                | q.BreakGlass()
                | q.Reject()
                | q.Change()
                | q.Reply()
                | q.Choose()
                | q.Select()
                | q.Resolve()
                | q.Stop()
            ):
                if not await self._try(view, self._decide(view, answer)):
                    await self._stand(view)
            case _:
                assert_never(answer)

    async def _decide(self, view: RunView, answer: q.Decision) -> object:
        """What the answer means, said of the plan that was on the screen and of no other."""
        run, by, state = view.run, self._person, view.state
        if isinstance(answer, q.Stop):
            return await self._coordinator.cancel(run, by)
        if isinstance(answer, q.Resolve):
            index, attempt = (state.unknown.index, state.attempt) if isinstance(state, s.NeedsHuman) else (-1, 0)
            return await self._coordinator.resolve(run, index, by, answer.verdict, attempt=attempt)
        if isinstance(answer, q.Reply):
            return await self._coordinator.answer(run, _number_of(self._shown), by, answer.text)
        digest = state.plan.digest if isinstance(state, s.AwaitingDecision) else ""
        match answer:
            case q.Approve():
                return await self._coordinator.approve(run, digest, by)
            case q.BreakGlass(reason=reason):
                return await self._coordinator.break_glass(run, digest, by, reason)
            case q.Reject(reason=reason):
                return await self._coordinator.reject(run, digest, by, reason)
            case q.Change() | q.Choose() | q.Select():
                return await self._revise(run, digest, answer)
            case _:
                assert_never(answer)

    async def _revise(self, run: str, digest: str, answer: q.Change | q.Choose | q.Select) -> object:
        """Another plan in the place of the one of this digest."""
        by = self._person
        match answer:
            case q.Change(text=text):
                return await self._coordinator.request_changes(run, digest, by, text)
            case q.Choose(agent=agent):
                return await self._coordinator.choose(run, digest, by, agent)
            case q.Select(numbers=numbers):
                return await self._coordinator.select(run, digest, by, selected_indexes(numbers))
            case _:
                assert_never(answer)

    async def _try(self, view: RunView, decision: Awaitable[object]) -> bool:
        """Whether it was done; if it was refused, the person is told why."""
        try:
            await decision
        except RefusedError as error:
            self._print_error(refusal_text(error, await self._coordinator.state(view.run)))
            return False
        except ConflictError as error:
            self._print_error(notice_for(error))
            return False
        self._acted_at = view.seq
        return True

    def _concern(self, view: RunView) -> object:
        """The same, and an agent's question where somebody can type the answer.

        Without one, it is waited for elsewhere.
        """
        asked = open_questions(view, self._clock.now())
        is_own = view.request.requester.is_same_as(self._person)
        if asked and is_own and self._keyboard is not None:
            return asked[0]
        return _concern(view, self._clock.now())

    def _open(self, question: q.Question | None) -> None:
        self._question = question
        if question is None or self._keyboard is None:
            return
        self._keyboard.listen("line" if isinstance(question, q.LineQuestion) else "key")
        self._screen.ask(question)

    def _withdraw(self) -> None:
        """Take an open question back: somebody else answered it, or the person thought again."""
        if self._question is not None:
            self._screen.answered("")
            self._close()

    def _close(self) -> None:
        self._question = None
        if self._keyboard is not None:
            self._keyboard.listen("quiet")
        for recorded, view in self._held:
            self._screen.tell(recorded, view)
        self._held.clear()


def _number_of(shown: object) -> int:
    """The number of the question that is on the screen; 0: there is none."""
    return shown.number if isinstance(shown, s.Question) else 0


def _concern(view: RunView, now: datetime) -> object:
    """What a card that stays would show; None while the run works, and a live card will do."""
    match view.state:
        case s.AwaitingDecision(plan=plan, approvals=approvals):
            return plan.digest, len(approvals)
        case s.NeedsHuman(unknown=unknown, attempt=attempt, late_result=late, said=said) as state:
            return unknown.index, attempt, late, said, state.may_still_happen(now)
        case state:
            return state.kind if view.ended_at is not None else None
