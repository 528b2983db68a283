"""The Discord front end: commands and clicks become requests of the chat service, cards become embeds. No rules."""
