"""Tables of the quality benchmark, made from its record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quality_methods import GRID_SIZE
from scoring import mean_and_interval

Row = dict[str, Any]

KINDS = {"graphs": "Planted graphs", "toys": "Toy sets"}
MODES = {
    "default": "Settings that do not use the truth",
    "tuned": f"Best of {GRID_SIZE} settings each, chosen by the truth (an upper bound)",
}


def ordered(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


class Numbers:
    """Access to the numbers of the record."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.rows: list[Row] = record["rows"]
        self.by = {(r["kind"], r["set"], r["method"], r["mode"]): r for r in self.rows}

    def sets(self, kind: str, *, structured: bool = True) -> list[str]:
        """Names of the sets of a kind; those without any cluster only where asked for."""
        names = ordered(row["set"] for row in self.rows if row["kind"] == kind)
        return [name for name in names if not (structured and name.startswith("no "))]

    def methods(self, kind: str, mode: str) -> list[str]:
        """Names of the methods run on a kind of sets."""
        return ordered(
            row["method"] for row in self.rows if (row["kind"], row["mode"]) == (kind, mode)
        )

    def values(self, kind: str, name: str, method: str, mode: str, measure: str) -> list[float]:
        """Return one measure for every seed; nothing where there is no result."""
        row = self.by.get((kind, name, method, mode))
        return [] if row is None or "error" in row else row[measure]

    def mean(
        self, kind: str, name: str, method: str, mode: str = "default", measure: str = "ari"
    ) -> float:
        """Return the mean of a measure over the seeds."""
        return mean_and_interval(self.values(kind, name, method, mode, measure))[0]

    def over_sets(self, kind: str, method: str, mode: str, measure: str = "ari") -> float:
        """Mean over the sets of a kind that have clusters, each set counting once.

        Sets on which nothing was clustered have no ARI on clustered samples and are left out of
        that mean; for the other measures a set without a result makes the mean nan.
        """
        means = [self.mean(kind, name, method, mode, measure) for name in self.sets(kind)]
        if measure == "ari_clustered":
            return mean_and_interval(means)[0]
        return sum(means) / len(means)

    def best(
        self, kind: str, mode: str, fits: Callable[[str], bool], measure: str = "ari"
    ) -> tuple[str, float]:
        """Return the method of greatest mean over the sets of a kind, and that mean."""
        names = [name for name in self.methods(kind, mode) if fits(name)]
        means = {name: self.over_sets(kind, name, mode, measure) for name in names}
        found = max(means, key=lambda name: means[name])
        return found, means[found]


def is_ntc(method: str) -> bool:
    return method.startswith("NTC")


def is_peer(method: str) -> bool:
    return not is_ntc(method)


def _cell(numbers: Numbers, kind: str, name: str, method: str, mode: str) -> str:
    row = numbers.by.get((kind, name, method, mode))
    if row is None:
        return ""
    if "error" in row:
        return str(row["error"]).replace("|", "/")
    mean, half, _ = mean_and_interval(row["ari"])
    return f"{_fixed(mean)} ± {half:.2f}"


def _fixed(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def _ari_table(numbers: Numbers, kind: str, mode: str) -> str:
    sets = numbers.sets(kind)
    lines = [f"| method | {' | '.join(sets)} | mean | strict |", "|---" * (len(sets) + 3) + "|"]
    for method in numbers.methods(kind, mode):
        cells = [_cell(numbers, kind, name, method, mode) for name in sets]
        overall = _fixed(numbers.over_sets(kind, method, mode))
        strict = _fixed(numbers.over_sets(kind, method, mode, "strict_ari"))
        lines.append(f"| {method} | {' | '.join(cells)} | {overall} | {strict} |")
    return "\n".join(lines)


def _other_table(numbers: Numbers, kind: str, mode: str) -> str:
    """Strict ARI, AMI, ARI on what was clustered, and share of noise, in one cell."""
    sets = numbers.sets(kind)
    lines = [f"| method | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for method in numbers.methods(kind, mode):
        cells = []
        for name in sets:
            parts = [
                _fixed(numbers.mean(kind, name, method, mode, measure))
                for measure in ("strict_ari", "ami", "ari_clustered")
            ]
            noise = numbers.mean(kind, name, method, mode, "noise")
            cells.append(f"{' / '.join(parts)} / {100 * noise:.0f} %")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _null_table(numbers: Numbers) -> str:
    empty = [
        (kind, name)
        for kind in KINDS
        for name in numbers.sets(kind, structured=False)
        if name.startswith("no ")
    ]
    head = " | ".join(f"{KINDS[kind].lower()}: {name}" for kind, name in empty)
    lines = [f"| method | {head} |", "|---" * (len(empty) + 1) + "|"]
    for method in ordered(m for kind, _ in empty for m in numbers.methods(kind, "default")):
        cells = []
        for kind, name in empty:
            if not numbers.values(kind, name, method, "default", "ari"):
                cells.append("")
                continue
            clusters = numbers.mean(kind, name, method, "default", "clusters")
            noise = numbers.mean(kind, name, method, "default", "noise")
            cells.append(f"{clusters:.1f} clusters, {100 * noise:.0f} % noise")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _settings_table(numbers: Numbers, kind: str) -> str:
    sets = numbers.sets(kind)
    lines = [f"| method | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for method in numbers.methods(kind, "tuned"):
        cells = [_in_words(numbers.by[kind, name, method, "tuned"]["setting"]) for name in sets]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _in_words(setting: dict[str, Any]) -> str:
    short = {"min_cluster_size": "size", "min_samples": "samples", "n_clusters": "k"}
    short["tau_in_nearest_distances"] = "tau (nearest distances)"
    words = [f"{short.get(k, k)}={v}" for k, v in setting.items() if k not in ("rule", "condense")]
    return ", ".join(words + ["condense"] * bool(setting.get("condense"))) or "default"


def ari_tables(record: dict[str, Any], kind: str) -> str:
    """Return the tables of the adjusted Rand index of one kind of sets."""
    numbers = Numbers(record)
    parts = []
    for mode, title in MODES.items():
        parts += [f"**{title}**", _ari_table(numbers, kind, mode)]
    return "\n\n".join(parts)


def introduction(record: dict[str, Any]) -> str:
    return (
        f"`{record['command']}`\n\nEnvironment: {record['environment']}.\n\n"
        f"{record['seeds']} seeds per set (from {record['first_seed']} on; the settings were "
        "chosen on seeds 0 to 5). Cells: mean adjusted Rand index (ARI) over the seeds, with noise "
        "as one class in the truth and in the answer, and half the width of the 95 % interval of "
        "the mean (Student's t over seeds). Last columns: the mean over the sets, and the mean of "
        "a stricter ARI in which each noise sample is a separate class, so that a group that is "
        "left out entirely does not count as found."
    )


def tables(record: dict[str, Any]) -> str:
    """Return every table, for the file beside the record."""
    numbers = Numbers(record)
    parts = ["# Quality: all tables", introduction(record)]
    for kind, title in KINDS.items():
        if not numbers.sets(kind):
            continue
        parts += [f"## {title}", "### Adjusted Rand index", ari_tables(record, kind)]
        parts += ["### Strict ARI / AMI / ARI on clustered samples / share of noise"]
        parts += ["AMI with noise as one class; nan: no cluster in any draw."]
        for mode, mode_title in MODES.items():
            parts += [f"**{mode_title}**", _other_table(numbers, kind, mode)]
        parts += ["### The tuned settings", _settings_table(numbers, kind)]
    parts += ["## Data without clusters", null_table(record)]
    return "\n\n".join(parts) + "\n"


def null_table(record: dict[str, Any]) -> str:
    """Return the clusters found in data without clusters."""
    return _null_table(Numbers(record))
