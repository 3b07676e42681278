"""The commands of the command line, one module each; :mod:`neurotopo.cli` runs them."""
