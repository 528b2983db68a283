"""Every sentence that people read: one gettext catalogue a language (ADR 0023)."""
