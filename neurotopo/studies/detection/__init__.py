"""The study ``detection``: whether degenerate knowledge neurons tell true facts from false ones."""
