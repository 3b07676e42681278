"""Put built pages into a site of several versions: ``publish_docs.py HTML SITE VERSION URL``.

SITE, a checkout of the branch that is served, gets the folder VERSION ("dev" for the main branch),
the list of versions that the pages offer, and a first page that leads to the newest release.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

_RELEASE = re.compile(r"\d+(\.\d+)*")
_DEVELOPMENT = "dev"


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the pages and write the list of versions."""
    html, site, version, url = sys.argv[1:] if arguments is None else arguments
    if version != _DEVELOPMENT and not _RELEASE.fullmatch(version):
        raise SystemExit(f"the version must be dev or numbers, as 1.2; got {version!r}")
    publish(Path(html), Path(site), version, url)
    return 0


def publish(html: Path, site: Path, version: str, url: str) -> None:
    """Put built pages into a site; see the module."""
    shutil.rmtree(site / version, ignore_errors=True)
    shutil.copytree(html, site / version)
    found = {path.parent.name for path in site.glob("*/index.html")}
    releases = sorted(filter(_RELEASE.fullmatch, found), key=_numbers, reverse=True)
    names = [*releases, *found.intersection({_DEVELOPMENT})]
    entries = [
        {"version": name, "url": f"{url.rstrip('/')}/{name}/", "preferred": name == names[0]}
        for name in names
    ]
    (site / "versions.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (site / "index.html").write_text(
        "<!doctype html><meta charset=utf-8><title>neurotopo</title>"
        f'<meta http-equiv=refresh content="0; url={names[0]}/">'
        f'<a href="{names[0]}/">neurotopo</a>\n',
        encoding="utf-8",
    )
    (site / ".nojekyll").touch()


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


if __name__ == "__main__":
    sys.exit(main())
