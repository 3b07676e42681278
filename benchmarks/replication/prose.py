"""The words of docs/replication.md: what each section measures; no number is in them."""

from __future__ import annotations

SHORT = {
    "necessary": "the groups are needed",
    "redundant": "the groups replace each other",
    "within": "one group suffices, others ablated",
    "alone": "one group suffices alone",
    "uses": "groups serve different other facts",
    "jump": "the answer falls with the last group",
    "definition": "Eq 2 and Eq 3 hold",
    "kmeans": "NTC above K-Means",
    "dbscan": "NTC above DBSCAN",
    "hierarchical": "NTC above hierarchical",
    "suppress": "faulty prompts, D suppressed",
    "enhance": "faulty prompts, D enhanced",
    "learn": "training D teaches more",
    "detect": "D tells true from false",
    "languages": "languages share neurons",
}
"""Names of the primary questions in pictures."""

NO_FACT = "no fact to compare"
NO_EFFECT = {"learning_neurons": "neither D nor random neurons learned a new fact"}
"""Why a part that ran has no effect."""

SCHEDULES = {
    "learning_paper": "the paper's schedule",
    "learning": "a rate for whole models",
    "learning_neurons": "a rate for few neurons",
    "learning_second": "a rate for few neurons, again",
}
"""Schedules of the parts with a training."""

HEAD = """
# The replication on pretrained models

Do the claims of the paper hold on real models? This page tests each of them on two pretrained
models, with controls that can say yes and controls that must not. All numbers come from one command
per model (`make replication MODEL=smollm2`). The questions, margins, facts and seeds were fixed in
`benchmarks/replication/plan.py` before the first result was seen, with three exceptions: the
planted facts ([Controls](#controls)), the schedule of the training ([Learning](#learning)), and
its second seeds ([A second draw](#a-second-draw-and-another-seed)).

A verdict is *yes* if the effect is above 0 after Holm's correction over all questions of a model
and at least the margin; *no* if it is below the margin; else *undecided*
([the rule](degenerate.md#from-numbers-to-verdicts)). The least effect is the smallest true effect
that would have been told from 0 with a power of 80 %.
"""

HOW = """
Models: SmolLM2-135M-Instruct (GGUF, Q4_1) and Gemma-3-270M (GGUF, Q4_K_M), de-quantised to float32.
Facts: ParaRel, at most 250 of each relation, each asked in up to three wordings in which the answer
comes last. A fact is known if the greedy reply is its answer in one of them. Facts whose answer is
in the subject are in no draw. Neurons: AMIG with 8 Gauss-Legendre nodes, selected as the paper does
(0.2 of the largest score) or by the default of neurotopo (the eight highest of each layer).
"""

MIND = """
## What would change our mind

- Larger models. These two have 135 and 270 million parameters; the paper's have 124 million and
  7 billion. The same command takes any model that transformers loads.
- Neurons that are selected in another way, such as over several wordings: every verdict on groups
  rests on which neurons count as those of the fact.
- A group that suffices on other wordings as on its own, in a model where shuffled groups do not.
- A planted copy on which the audit says no.
"""

TEXTS = {
    "Which facts the models know": """
Each step says how many facts are left. The two draws take known facts in turn from every relation,
so that one large relation does not decide.
""",
    "The planted copy": """
A test that never says yes shows nothing. In the planted copy three groups of neurons each store
invented facts: one group gives the answer with the others at zero.
`benchmarks/replication/planting.py` makes it, and says what was tried. The old facts and the other
texts of the table were not used to make the copy.
""",
    "Controls": """
On the *planted copy* the audit must say yes to redundancy. This part had 24 facts of six relations
at first, then all 69: both left its verdict open, because intervals are over relations. So the same
method, with a larger weight of other facts, planted 72 facts of twelve relations. These have six
facts each, so the audit uses mean values (counterfactual ones from eight facts on); the next table
has all three ablations. With *permuted* weights and for *unknown* facts nothing is stored. A
question that they answer with yes too is no evidence of stored facts: neurons are selected by their
effect on a fact, known or not. A no to a question without a yes in the planted copy is weak: the
test may be unable to say yes. The planted groups serve the same facts, so *uses* must be no there.

The other rows are further facts, and other precisions of the model. A cell has the verdict and the
effect with its 95 % interval. *judged* counts the facts with groups; a question has fewer of them
where it needs groups that lower the score, as redundancy does. The columns are questions of
[the audit](degenerate.md): necessity, redundancy against shuffled groups, more than the sum of the
effects, sufficiency within and alone, action on this fact only, use for different facts, repair by
later layers.
""",
    "Three ablations": """
The result depends on what replaces a value. *zero* and *mean* remove what a group writes.
*counterfactual* puts in the values of another subject: two of three groups then write a wrong
answer, and so does their sum. The cells are differences to shuffled groups.
""",
    "Other precisions": """
Do the results depend on the precision of the weights? Each row is the difference to float32 of the
same facts, where both have groups. Neurons and groups are searched for anew in each precision.
*equal*: yes if the whole interval lies within the margin, no if it does not contain 0.
""",
    "A second draw and another seed": """
Other facts, and another seed for foils, shuffled groups and random groups. *learning* keeps the
facts: its new answers, random neurons and trainings have other seeds. This part was added after the
first verdict on learning was seen (*yes* on Gemma-3-270M). It ran on that model alone.
""",
    "Table 1: the average GCR": """
The relative change of the probability when one, two, ... of the groups are suppressed, as the paper
gives it, for facts with as many groups. Random groups have the sizes of the groups beside them.
""",
    "Acquisition": """
*jump*: how much more the probability falls, in points, when the last group is suppressed too, less
the same for random groups of the same sizes. *after the filter*: only groups that meet the paper's
definition, except in *jump of all groups*. "ntc - kmeans" compares two methods on the same facts.
""",
    "Robustness": """
Prompts with errors (exchanged, changed and inserted words) with D suppressed or enhanced, less as
many other knowledge neurons.
""",
    "Learning": """
Exact answers to new facts after training, of D and of as many other numbers. A difference is in the
table only if one of the two arms has learned new facts. With the paper's schedule (learning rate
3e-5, one step per epoch) no arm, not even the whole model, learned one fact in the ten epochs that
fit here. So a second schedule (1e-3, eight texts per step) was chosen: with it the whole model
learned, and no arm of few neurons did. Both ran on SmolLM2 alone. The third schedule (1e-2) is for
arms of few neurons; its rate was chosen on random neurons, before D was trained with it.

On Gemma-3-270M, D learned more new facts than random neurons and forgot about as many more old
ones: the mean of the three sets is equal. With other seeds the difference is not beyond chance, so
the *yes* of the first table is not a stable result. The sentences of the first seeds do not claim
it either, because they correct over all comparisons of the study; the first table of this page
corrects over its own questions.
""",
    "Detection": """
How well the attribution of D tells a true label from a false one, as the area under the ROC curve.
An area is one number per relation, and 0.5 where the facts of a relation share no such neurons. So
the intervals of the table are over relations. Those of the sentences below it resample the facts of
the same relations.
""",
    "Critique": """
The controls of [the critique of knowledge neurons](critique.md): do edits change knowledge, or only
words? The effects are shifts of the log-odds between a word that fits and one that does not, with
neurons suppressed or enhanced. *own*: all knowledge neurons of a pair; *dkn*: the degenerate ones;
*before*: no edit; *kn*: as many knowledge neurons that are not degenerate.
""",
    "Beyond the paper": """
The fall of the contrast with neurons set to 0, as a share of it, less random neurons of the same
layers: at the subject and at the last token, in three thirds of the layers, and for neurons that
RelP selects in place of AMIG.
""",
    "Time": """
Minutes of work on one thread of a shared machine.
""",
}
"""What each section of the page shows."""
