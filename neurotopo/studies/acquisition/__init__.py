"""The study ``acquisition``: section 3 of the paper."""
