"""The study ``detection``: whether degenerate knowledge neurons tell false facts from true ones."""
