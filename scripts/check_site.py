"""Follow every internal link of built pages: ``check_site.py docs/_build/html``.

Prints the links that lead nowhere, each with a page that has it. Exit status 1 if there are any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LINK = re.compile(r'\s(?:href|src)="([^"]+)"')
_ANCHOR = re.compile(r'\s(?:id|name)="([^"]+)"')


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a folder of pages and return the exit status."""
    (folder,) = sys.argv[1:] if arguments is None else arguments
    n_links, wrong = broken(Path(folder).resolve())
    for link, page in sorted(wrong.items()):
        print(f"{page}: {link} leads nowhere")
    print(f"{n_links:,} internal links, {len(wrong):,} broken")
    return 1 if wrong or not n_links else 0


def broken(folder: Path) -> tuple[int, dict[str, str]]:
    """Return the number of internal links, and those that lead nowhere with the first page."""
    n_links, wrong, anchors = 0, {}, cache(_anchors)
    for page in sorted(folder.rglob("*.html")):
        if "_static" in page.relative_to(folder).parts:
            continue
        for link in set(_LINK.findall(page.read_text(encoding="utf-8"))):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            n_links += 1
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment)
            html = target.suffix == ".html"
            if not target.exists() or (anchor and html and anchor not in anchors(target)):
                wrong.setdefault(link, str(page.relative_to(folder)))
    return n_links, wrong


def _anchors(page: Path) -> frozenset[str]:
    return frozenset(_ANCHOR.findall(page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main())
