"""The terminal as a chat product: cards in, text out; keys in, verbs out."""
