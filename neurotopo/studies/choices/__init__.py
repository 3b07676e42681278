"""The study ``choices``: appendix D of the paper, which modelling choice matters."""
