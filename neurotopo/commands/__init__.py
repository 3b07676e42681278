"""What the commands of the command line do, one module each; :mod:`neurotopo.cli` runs them."""
