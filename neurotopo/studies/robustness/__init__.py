"""The study ``robustness``: section 5 of the paper."""
