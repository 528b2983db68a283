"""The reply of a Gemini stream, put together from its chunks.

Every part is kept whole for the history: a thought signature is worthless away from the part that it came on, and
Gemini refuses a history that lacks one.
"""

import json
from collections.abc import Mapping
from itertools import groupby

from google.genai import types

from coordination.llm.gemini_client import garbled, unfinished
from coordination.llm.model_errors import Provider, cut_off, declined, too_large, unreadable, whole_text
from coordination.ports import Reply, ToolCall, Usage

_PART_WEIGHT = 64
"""Characters that a part counts for beside its content, so that endless empty parts are bounded too."""

_PLAIN = frozenset({"text", "thought"})


class ReplyParts:
    """What has come of one reply so far."""

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the reply."""
        self._provider = provider
        self._limit = limit
        self._size = 0
        self._has_begun = False
        self._parts: list[types.Part] = []
        self._finish: str | None = None
        self._is_blocked = False
        self._usage = Usage()

    @property
    def is_finished(self) -> bool:
        """Whether the model has said that it is done."""
        return self._finish is not None

    def take(self, chunk: types.GenerateContentResponse) -> None:
        """Add one chunk.

        Raises:
            ModelError: the reply is too large.
        """
        self._has_begun = True
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            self._is_blocked = True
        if chunk.usage_metadata is not None:
            self._usage = _usage(chunk.usage_metadata)
        for candidate in (chunk.candidates or [])[:1]:
            for part in (candidate.content and candidate.content.parts) or []:
                self._add(part)
            if candidate.finish_reason is not None:
                self._finish = str(candidate.finish_reason.value)

    def complete(self) -> Reply:
        """The whole reply.

        Raises:
            ModelError: it did not end, was cut at its length limit, was garbled, or was declined.
        """
        if self._is_blocked:
            raise declined(self._provider)
        if self._finish is None:
            raise cut_off(self._provider) if self._has_begun else unreadable(self._provider)
        if self._finish != "STOP":
            raise unfinished(self._finish, self._provider)
        calls = self.calls()
        if not all(call.name for call in calls.values()):
            raise garbled(self._provider)
        text = "".join(part.text for part in self._parts if part.text and not part.thought)
        return Reply(
            text=whole_text(text),
            calls=tuple(
                ToolCall(id=identity, name=call.name or "", arguments=_arguments(call))
                for identity, call in calls.items()
            ),
            usage=self._usage,
        )

    def calls(self) -> Mapping[str, types.FunctionCall]:
        """The calls, each by an id that no other has: Gemini's own ids may be missing."""
        calls: dict[str, types.FunctionCall] = {}
        for part in self._parts:
            if part.function_call is not None:
                identity = part.function_call.id or f"call_{len(calls)}"
                while identity in calls:
                    identity += "_"
                calls[identity] = part.function_call
        return calls

    def content(self) -> types.Content | None:
        """The reply as the history needs it; None if it has no part, as Gemini refuses an empty content."""
        parts: list[types.Part] = []
        for (is_plain, is_thought), group in groupby(self._parts, lambda part: (_is_plain(part), part.thought)):
            if is_plain:
                text = "".join(part.text or "" for part in group)
                parts.append(types.Part(text=whole_text(text), thought=is_thought))
            else:
                parts += group
        return types.Content(role="model", parts=parts) if parts else None

    def _add(self, part: types.Part) -> None:
        if _is_plain(part):
            # An empty part is one that this SDK does not know: Gemini would not take it back.
            if not part.text:
                return
            size = len(part.text)
        else:
            size = len(part.model_dump_json(exclude_none=True))
        self._size += _PART_WEIGHT + size
        if self._size > self._limit:
            raise too_large(self._provider, self._limit)
        self._parts.append(part)


def _is_plain(part: types.Part) -> bool:
    """Whether it is text and nothing else, which came in pieces only because it was streamed."""
    return part.model_fields_set <= _PLAIN


def _arguments(call: types.FunctionCall) -> str:
    return whole_text(json.dumps(call.args or {}, ensure_ascii=False))


def _usage(usage: types.GenerateContentResponseUsageMetadata) -> Usage:
    """What a provider-side tool brought is input too; thoughts are output that Gemini counts apart."""
    return Usage(
        input_tokens=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        cached_tokens=usage.cached_content_token_count or 0,
        output_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
    )
