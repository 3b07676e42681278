"""A small study with its report
=============================

A study of thirty facts on two models: one with planted groups, and one with random weights, which
must not show an effect.
"""

# %%
# The study tests which way of grouping a fact's neurons finds degenerate groups. ``quick=True`` is
# a fast preset that keeps every control; without ``out=`` nothing is written.

import textwrap

import neurotopo as nt

results = {
    name: nt.studies.run(
        "acquisition",
        model=f"testbed:{name}",
        facts="factworld:30",
        quick=True,
        methods=["ntc", "kmeans", "oracle"] if name == "planted" else ["ntc", "kmeans"],
    )
    for name in ("planted", "null")
}
for name, result in results.items():
    print(name, "-", result.outcome)
    for finding in result.findings[:3]:
        print(textwrap.fill(finding, 88, initial_indent="  * ", subsequent_indent="    "))
    print("  claims:", len(result.claims), "\n")

# %%
# The main table compares every method with random groups of the same sizes from the same neurons,
# paired by fact.

table = results["planted"].tables["controls"]
print(table.round(3).to_string(index=False, max_colwidth=22))

# %%
# Tables are data frames and pictures are Matplotlib figures.

results["planted"].figures["controls"]
