"""The study ``crosslingual``: appendix F.1 of the paper, and what AMIG asks about languages."""
