"""The front office behind every chat: it starts runs, takes decisions, answers questions, and knows who may what."""
