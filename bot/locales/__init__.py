"""Every sentence that people read, one module a language."""
