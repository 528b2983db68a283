"""The command line, and the terminal as a chat product: cards in, text out; keys in, actions out."""
