"""The study ``audit``: do groups of neurons each carry a fact."""
