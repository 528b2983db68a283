"""Agents plan together, people decide, and exactly what they approved runs once."""
