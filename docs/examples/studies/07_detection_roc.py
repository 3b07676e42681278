"""Telling false statements from true ones
=======================================

Do a relation's degenerate knowledge neurons detect a false label? The plot compares them with
random neurons and with the model's own probability.
"""

# %%
# The study ``detection`` on 120 facts: wrong labels are true labels of other subjects.

import neurotopo as nt

result = nt.studies.run("detection", model="testbed:planted", facts="factworld:120", quick=True)
print(result.outcome)
table = result.tables["detection"]
print(table[["method", "AUC", "macro F1"]].round(3).to_string(index=False))

# %%
# The ROC curves of the test facts. The attributions of *any* neurons carry information, as they
# sum to the change of the label's probability; the probability itself carries the most.

result.figures["roc"]
