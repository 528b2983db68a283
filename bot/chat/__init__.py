"""The chat service behind every product: it starts runs, takes decisions, answers questions, and knows who may what."""
