"""Models: one module a provider, and what they share."""
