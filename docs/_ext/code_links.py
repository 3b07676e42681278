"""Code in the text of a page becomes a link to the reference if it is a public name.

Pages are plain Markdown, so that they read well in the repository too: ``NTCClusterer``,
``merge_tree``, ``MergeTree.cut``, ``vineyard()``, or a full name. A single lower-case word needs
brackets or a full name, as it may be something else.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import api_names
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

_METHOD = re.compile(r"(.+)\.([a-z]\w*)")
_SKIP = (nodes.reference, nodes.title, pending_xref)


def short_names(listed: set[str]) -> dict[str, str]:
    """Return the full name of each last part that only one listed name has."""
    public = {name for name in listed if name.count(".") == 1}
    count = Counter(name.rpartition(".")[2] for name in listed)
    short = {name.rpartition(".")[2]: name for name in listed}
    short = {last: name for last, name in short.items() if count[last] == 1}
    return {**short, **{name.rpartition(".")[2]: name for name in public}}


def target_of(code: str, listed: set[str], short: dict[str, str]) -> str | None:
    """Return the full name that code in a text means, or None."""
    called = code.endswith("()")
    name = code.removesuffix("()").removeprefix("nt.")
    for prefix in ("", "neurotopo."):
        if prefix + name in listed:
            plain = not prefix and "." not in name
            return None if plain else _unless_a_word(prefix + name, code, called)
    if name in short:
        return _unless_a_word(short[name], code, called)
    if method := _METHOD.fullmatch(name):
        owner = target_of(method[1], listed, short)
        if owner is not None and method[1].rpartition(".")[2][:1].isupper():
            return f"{owner}.{method[2]}"
    return None


def _unless_a_word(full: str, code: str, called: bool) -> str | None:
    return full if called or not re.fullmatch(r"[a-z]+", code) else None


class CodeLinks(SphinxPostTransform):
    """Replaces code that is a public name by a reference; one that leads nowhere stays code."""

    default_priority = 5  # before references are resolved

    def run(self) -> None:
        """Look at all code in the text of a page."""
        if self.env.docname.startswith("generated/"):
            return
        listed = api_names.listed((Path(self.env.srcdir) / "api.md").read_text(encoding="utf-8"))
        short = short_names(listed)
        for node in list(self.document.findall(nodes.literal)):
            above = node.parent
            while above is not None and not isinstance(above, _SKIP):
                above = above.parent
            target = None if above else target_of(node.astext(), listed, short)
            if target is not None:
                reference = pending_xref(
                    "",
                    node.deepcopy(),
                    refdomain="py",
                    reftype="obj",
                    reftarget=target,
                    refdoc=self.env.docname,
                    refexplicit=True,
                    refwarn=False,
                )
                node.replace_self(reference)


def setup(app):
    """Add the transform."""
    app.add_post_transform(CodeLinks)
    return {"parallel_read_safe": True}
