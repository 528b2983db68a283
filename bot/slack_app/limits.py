"""What Slack takes, each with the page that says so. Lengths are in UTF-16 units, the largest way to count them."""

BLOCKS_IN_MESSAGE = 50
"""https://docs.slack.dev/reference/block-kit/blocks"""

BLOCKS_IN_VIEW = 100
"""https://docs.slack.dev/reference/views"""

ALL_BLOCKS = 13_200
"""Everything in the blocks of one message: https://github.com/slackapi/bolt-js/issues/2509

Nobody outside knows how it is counted, and texts of 11,341 characters were refused (bolt-js#2867), so the whole JSON of
the blocks has to stay below it.
"""

SECTION_TEXT = 3_000
"""https://docs.slack.dev/reference/block-kit/blocks/section-block"""

HEADER_TEXT = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""

CONTEXT_ELEMENTS = 10
"""https://docs.slack.dev/reference/block-kit/blocks/context-block"""

ACTIONS = 25
"""https://docs.slack.dev/reference/block-kit/blocks/actions-block"""

BUTTON_TEXT = 75
"""https://docs.slack.dev/reference/block-kit/block-elements/button-element"""

OPTION_TEXT = 75
OPTION_VALUE = 150
"""https://docs.slack.dev/reference/block-kit/composition-objects/option-object"""

SELECT_OPTIONS = 100
PLACEHOLDER = 150
"""https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element"""

CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
"""https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object"""

PLAN_TASKS = 50
"""https://docs.slack.dev/reference/block-kit/blocks/plan-block"""

TASK_TITLE = 256
"""https://docs.slack.dev/reference/block-kit/blocks/task-card-block"""

MESSAGE_TEXT = 3_000
"""Of a message's own text, which `chat.update` cuts at 4,000: https://docs.slack.dev/reference/methods/chat.update"""

MODAL_TITLE = 24
PRIVATE_METADATA = 3_000
"""https://docs.slack.dev/reference/views/modal-views"""

INPUT_TEXT = 3_000
"""https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element"""


def units(text: str) -> int:
    """The length of a text in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def within(text: str, limit: int) -> str:
    """A text of at most so many units; a cut is marked."""
    if units(text) <= limit:
        return text
    kept = text[: limit - 1]
    while units(kept) > limit - 1:
        kept = kept[:-1]
    return f"{kept}…"
