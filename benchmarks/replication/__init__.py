"""The claims of the paper on pretrained models, with controls: see ``python -m replication -h``."""
