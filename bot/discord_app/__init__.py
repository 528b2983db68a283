"""The Discord surface: commands and clicks become verbs of the desk, cards become embeds. It holds no rule."""
