"""What one Discord message can hold. Texts are measured in UTF-16 units, the stricter of the two ways to count."""

from typing import Final

# https://discord.com/developers/docs/resources/message#embed-object-embed-limits
EMBED_TITLE: Final = 256
EMBED_DESCRIPTION: Final = 4096
EMBED_FOOTER: Final = 2048
EMBEDS_TOGETHER: Final = 6000
EMBEDS: Final = 10

# https://discord.com/developers/docs/resources/message#create-message
CONTENT: Final = 2000
FILES: Final = 10
FILE_DESCRIPTION: Final = 1024
NONCE: Final = 25

# https://discord.com/developers/docs/reference#uploading-files: what every server allows; boosts only raise it
FILE_BYTES: Final = 10 * 1024 * 1024

# https://discord.com/developers/docs/components/reference
ROWS: Final = 5
BUTTONS_IN_ROW: Final = 5
BUTTON_LABEL: Final = 80
CUSTOM_ID: Final = 100
PLACEHOLDER: Final = 150
OPTIONS: Final = 25
OPTION_TEXT: Final = 100
MODAL_TITLE: Final = 45
MODAL_LABEL: Final = 45
MODAL_TEXT: Final = 4000

# https://discord.com/developers/docs/interactions/application-commands
CHOICES: Final = 25
CHOICE_TEXT: Final = 100
COMMAND_TEXT: Final = 6000

# https://discord.com/developers/docs/resources/channel#start-thread-from-message
THREAD_NAME: Final = 100


def units(text: str) -> int:
    """How long Discord may think that a text is."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
