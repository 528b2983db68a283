"""Observability: health, metrics, logs and traces."""
