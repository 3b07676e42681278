"""The study ``learning``: section 4 of the paper."""
