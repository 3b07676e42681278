"""Test the claims of the paper on a pretrained model, with controls; resumable.

Everything that is asked is fixed in ``plan.py``. Replies and runs stay in ``--work``; the same
command goes on where it was stopped. The records in ``--out`` have no texts of facts; a part with a
record of the same plan does not run again, unless ``--again``.
``--page`` writes docs/replication.md from the records of all models.

Examples
--------
NEUROTOPO_PARAREL=pararel/data make replication MODEL=smollm2
python -m replication gemma --work runs --only audit acquisition
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from replication.page import write_page
from replication.plan import MODELS, N_DRAW, PER_RELATION
from replication.run import Replication, collect, restore

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help=f"{', '.join(MODELS)}; none: only the page")
    parser.add_argument("--source", help="the weights; default: the installed package")
    parser.add_argument("--work", type=Path, default=Path("replication_runs"))
    parser.add_argument("--out", type=Path, default=_ROOT / "benchmarks" / "results")
    parser.add_argument("--page", type=Path, default=_ROOT / "docs" / "replication.md")
    parser.add_argument("--planted", type=Path, help="the planted copy; default: in --work")
    parser.add_argument("--pararel", default=os.environ.get("NEUROTOPO_PARAREL"))
    parser.add_argument("--templama", default=os.environ.get("NEUROTOPO_TEMPLAMA"))
    parser.add_argument("--only", nargs="+", default=(), help="these parts")
    parser.add_argument("--again", action="store_true", help="make the records of the runs again")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--per-relation", type=int, default=PER_RELATION)
    parser.add_argument("--draw", type=int, default=N_DRAW)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.model is not None:
        if options.pararel is None:
            parser.error("ParaRel is needed: --pararel FOLDER or NEUROTOPO_PARAREL")
        replication = Replication(
            options.model,
            options.source or MODELS.get(options.model, options.model),
            options.work / options.model,
            options.planted,
            pararel=options.pararel,
            templama=options.templama,
            per_relation=options.per_relation,
            n_draw=options.draw,
        )
        if not options.again:
            restore(replication.work, options.out, options.model)
        replication.run_all(tuple(options.only), options.again)
        collect(replication.work, options.out, options.model)
    write_page(options.out, options.page)


if __name__ == "__main__":
    main()
