"""Findings of the quality benchmark, as sentences made from its numbers."""

from __future__ import annotations

from typing import Any

from quality_methods import AS_HDBSCAN, PAPER, VARIANTS
from quality_report import Numbers, is_ntc, is_peer

CLOSE = "two close, one far"
BLOBS = ("blobs", "blobs, 2 % noise", "blobs, 10 % noise")
SIGNIFICANCE = "NTC significance 0.05"
GOOD = 0.95
TIE = 0.01


def findings(record: dict[str, Any]) -> str:
    """Return the findings as a markdown list; those whose sets were not run are left out."""
    numbers = Numbers(record)
    graphs, toys = numbers.sets("graphs"), numbers.sets("toys")
    sentences = []
    if graphs and toys:
        sentences += [which_setting(numbers), paper_overall(numbers)]
    if CLOSE in toys:
        sentences.append(two_close_blobs(numbers))
    if set(BLOBS) <= set(toys):
        sentences.append(noise(numbers))
    if graphs:
        sentences += [significance(numbers), authors_baselines(numbers)]
    if graphs and toys:
        sentences += [nothing_to_find(numbers), against_peers(numbers)]
    if "hdbscan" in record:
        sentences.append(contains_hdbscan(record["hdbscan"]))
    return "\n".join(f"- {sentence}" for sentence in sentences)


def which_setting(numbers: Numbers) -> str:
    """Name the setting to use, by the means over sets."""
    on_graphs, graphs = numbers.best("graphs", "default", is_ntc)
    on_toys, toys = numbers.best("toys", "default", is_ntc)
    overall, both, paper = _best_over_both(numbers, "ari")
    strict, strict_both, strict_paper = _best_over_both(numbers, "strict_ari")
    return (
        "**Which setting to use.** Of the NTC settings that do not use the truth, the best on the "
        f"planted graphs is `{on_graphs}` (mean ARI {graphs:.2f}), the best on the toy sets is "
        f"`{on_toys}` ({toys:.2f}), and the best over both is `{overall}` ({both:.2f}; the "
        f"paper's rule: {paper:.2f}), that is `{_as_code(overall)}`. By the stricter score the "
        f"best over both is `{strict}` ({strict_both:.2f}; the paper's rule: {strict_paper:.2f}). "
        "They are selected by their scores on these sets: another setting may be better for other "
        "data."
    )


def _best_over_both(numbers: Numbers, measure: str) -> tuple[str, float, float]:
    """Return the NTC setting with the best mean over graphs and toys, its mean and the paper's."""
    means = {
        name: sum(numbers.over_sets(kind, name, "default", measure) for kind in ("graphs", "toys"))
        / 2
        for name in numbers.methods("toys", "default")
        if is_ntc(name)
    }
    best = max(means, key=lambda name: means[name])
    return best, means[best], means[PAPER]


def paper_overall(numbers: Numbers) -> str:
    """Sum up the paper's rule, with and without tuning of tau."""
    each = ", ".join(
        f"{name} {numbers.mean('graphs', name, PAPER):.2f}" for name in numbers.sets("graphs")
    )
    return (
        "**The paper's rule** (relative, tau = 0.5): mean ARI "
        f"{numbers.over_sets('graphs', PAPER, 'default'):.2f} on the planted graphs ({each}) and "
        f"{numbers.over_sets('toys', PAPER, 'default'):.2f} on the toy sets. With the tau that is "
        f"best for each set, chosen by the truth: "
        f"{numbers.over_sets('graphs', PAPER, 'tuned'):.2f} and "
        f"{numbers.over_sets('toys', PAPER, 'tuned'):.2f}."
    )


def two_close_blobs(numbers: Numbers) -> str:
    """Describe two close blobs and a far one."""
    counts = numbers.values("toys", CLOSE, PAPER, "default", "clusters")
    ari, tuned = numbers.mean("toys", CLOSE, PAPER), numbers.mean("toys", CLOSE, PAPER, "tuned")
    two = sum(count == 2 for count in counts)
    text = (
        f"**Two close blobs and a far one.** The paper's rule finds exactly two clusters in {two} "
        f"of {len(counts)} draws (mean ARI {ari:.2f}; the truth has three)."
    )
    if tuned < GOOD:
        text += (
            f" No tau helps (best: {tuned:.2f}): the pair as one cluster is more persistent than "
            "its two parts together, so the selection by total persistence keeps the pair."
        )
    good = [
        f"`{name}` ({numbers.mean('toys', CLOSE, name):.2f})"
        for name in numbers.methods("toys", "default")
        if is_ntc(name) and numbers.mean("toys", CLOSE, name) >= GOOD
    ]
    text += f" Settings with a mean ARI of {GOOD} or more: {', '.join(good) or 'none'}."
    best = numbers.mean("toys", CLOSE, "NTC relative", "tuned")
    family = numbers.by["toys", CLOSE, "NTC relative", "tuned"]
    return text + (
        " Within the relative rule the best of the grid is "
        f"{_setting(family['setting'])} ({best:.2f})."
    )


def noise(numbers: Numbers) -> str:
    """Describe the effect of uniform noise on the paper's rule."""
    paper = [numbers.mean("toys", name, PAPER) for name in BLOBS]
    lost = [100 * numbers.mean("toys", name, PAPER, measure="noise") for name in BLOBS]
    text = (
        "**Uniform noise.** Three well separated blobs without noise, with 2 % and with 10 %: the "
        f"paper's rule has a mean ARI of {paper[0]:.2f}, {paper[1]:.2f} and {paper[2]:.2f}, and "
        f"leaves {lost[0]:.0f} %, {lost[1]:.0f} % and {lost[2]:.0f} % of the samples in no cluster "
        "(noise added: 0 %, 2 %, 10 %)."
    )
    names = [name for name in numbers.methods("toys", "default") if is_ntc(name)]
    best = max(names, key=lambda name: numbers.mean("toys", BLOBS[-1], name))
    values = [numbers.mean("toys", name, best) for name in BLOBS]
    return text + (
        f" Best with 10 % noise is `{best}`: {values[0]:.2f}, {values[1]:.2f}, {values[2]:.2f}."
    )


def significance(numbers: Numbers) -> str:
    """Describe the significance rule on graphs."""
    get = {
        measure: numbers.over_sets("graphs", SIGNIFICANCE, "default", measure)
        for measure in ("ari", "noise", "ari_clustered")
    }
    tuned = numbers.over_sets("graphs", "NTC significance", "tuned")
    condensed = numbers.over_sets("graphs", f"{SIGNIFICANCE}, condense 5/1", "default")
    return (
        f"**Significance** answers a different question, and is conservative: on the planted "
        f"graphs `{SIGNIFICANCE}` leaves {100 * get['noise']:.0f} % of the neurons in no cluster "
        f"(mean ARI {get['ari']:.2f}; on the neurons it clusters {get['ari_clustered']:.2f}); with "
        f"condensed clusters of five or more its mean ARI is {condensed:.2f}. With "
        f"the level that is best for each set its mean ARI is {tuned:.2f}. Use it to test whether "
        "a cluster could arise by chance, not to find all clusters."
    )


def authors_baselines(numbers: Numbers) -> str:
    """Compare the paper's baselines with other settings and inputs."""
    names = ("K-Means", "DBSCAN", "Hierarchical")
    table = [
        (
            f"{name}: {numbers.over_sets('graphs', f'{name} (authors)', 'default'):.2f} as the "
            f"authors ran it, {numbers.over_sets('graphs', name, 'tuned'):.2f} tuned, "
            f"{numbers.over_sets('graphs', f'{name} on shortest paths', 'tuned'):.2f} tuned and on "
            "shortest paths"
        )
        for name in names
    ]
    return (
        "**The paper's baselines** on the planted graphs, mean ARI. "
        f"{'; '.join(table)}; the paper's rule: "
        f"{numbers.over_sets('graphs', PAPER, 'default'):.2f} by default, "
        f"{numbers.over_sets('graphs', PAPER, 'tuned'):.2f} tuned. The difference between the "
        "first number of each and the others comes from the settings of the baselines and, for "
        "K-Means and hierarchical clustering, from the infinite distances within a layer, which do "
        "not affect single linkage."
    )


def nothing_to_find(numbers: Numbers) -> str:
    """Describe the clusters found in data without clusters."""
    parts = []
    for kind, name in (("toys", "no structure"), ("graphs", "no communities")):
        paper = numbers.mean(kind, name, PAPER, measure="clusters")
        counts = numbers.values(kind, name, SIGNIFICANCE, "default", "clusters")
        some = sum(count > 0 for count in counts)
        parts.append(
            f"{name}: {paper:.1f} clusters on average by the paper's rule; `{SIGNIFICANCE}` finds "
            f"some in {some} of {len(counts)} draws"
        )
    return (
        "**Data without clusters.** A threshold relative to the largest persistence always keeps "
        f"some cluster. {'; '.join(parts)}. Random points in the plane are not the null "
        "of the permutation test, which shuffles distances and so breaks the triangle inequality."
    )


def against_peers(numbers: Numbers) -> str:
    """List the sets where other methods are better, tuned and not."""
    text = "**Other methods.**"
    for mode, words in (("default", "Untuned"), ("tuned", "Tuned by the truth")):
        clauses = []
        for kind, label in (("graphs", "planted graphs"), ("toys", "toy sets")):
            own, mine = numbers.best(kind, mode, is_ntc)
            peer, theirs = numbers.best(kind, mode, is_peer)
            clauses.append(
                f"on the {label} the best NTC setting is `{own}` ({mine:.2f}) and the best other "
                f"method `{peer}` ({theirs:.2f})"
            )
        text += f" {words}: {'; '.join(clauses)}."
    behind = [
        f"{name} ({peer}: {theirs:.2f}, NTC: {mine:.2f})"
        for kind in ("graphs", "toys")
        for name in numbers.sets(kind)
        for peer, theirs, mine in [_best_on_set(numbers, kind, name)]
        if theirs > mine + TIE
    ]
    return text + (
        " Sets where another tuned method exceeds every tuned NTC rule by more than "
        f"{TIE}: {'; '.join(behind) or 'none'}."
    )


def _best_on_set(numbers: Numbers, kind: str, name: str) -> tuple[str, float, float]:
    means = {m: numbers.mean(kind, name, m, "tuned") for m in numbers.methods(kind, "tuned")}
    peer = max((m for m in means if is_peer(m)), key=lambda m: means[m])
    return peer, means[peer], max(means[m] for m in means if is_ntc(m))


def contains_hdbscan(counts: dict[str, int]) -> str:
    """Compare the setting that corresponds to HDBSCAN with HDBSCAN."""
    return (
        f"**HDBSCAN as a special case.** `{AS_HDBSCAN}` gives exactly the clusters of "
        f"scikit-learn's HDBSCAN in {counts['equal']} of {counts['draws']} draws of toy sets, and "
        f"in {counts['equal_without_ties']} when ties are broken at random. Smoothing by core "
        "distances makes many lengths equal; NTC merges them at once, HDBSCAN in some order."
    )


def _as_code(name: str) -> str:
    setting = next(variant.setting for variant in VARIANTS if variant.name == name)
    return f"NTCClusterer.paper({', '.join(f'{key}={value!r}' for key, value in setting.items())})"


def _setting(setting: dict[str, Any]) -> str:
    return "`" + ", ".join(f"{name}={value!r}" for name, value in setting.items()) + "`"
