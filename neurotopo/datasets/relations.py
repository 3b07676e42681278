"""The nine relations of TempLAMA: how they are asked, reworded and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurotopo.models.prompts import RELATION_TEMPLATES

__all__ = ["TEMPLAMA", "Relation"]


@dataclass(frozen=True)
class Relation:
    """Wordings of a relation; ``[Y]`` is the subject and ``_X_`` the answer, as in prompts.

    Attributes
    ----------
    name : str
        What the relation is called.
    statement : str
        The wording of TempLAMA.
    question : str
        The question of TempLAMA.
    wordings : tuple of str
        Other statements; the answer comes last.
    narrative : str
        A paragraph, with ``{date}``, ``{subject}`` and ``{answer}``.

    Examples
    --------
    >>> from neurotopo.datasets import TEMPLAMA
    >>> relation = TEMPLAMA["P54"]
    >>> relation.name, relation.statement
    ('member of sports team', '[Y] plays for _X_.')
    """

    name: str
    statement: str
    question: str
    wordings: tuple[str, ...]
    narrative: str


TEMPLAMA: Mapping[str, Relation] = {
    "P54": Relation(
        "member of sports team",
        "[Y] plays for _X_.",
        "Which team is [Y] a player for?",
        (
            "[Y] is a player of _X_.",
            "The team of [Y] is _X_.",
            "[Y] is under contract with _X_.",
            "The team that [Y] competes for is _X_.",
            "As an athlete, [Y] belongs to _X_.",
        ),
        "The squad lists published in {date} include {subject} among the players of {answer}. On "
        "and off the field the player takes part in the matches, the training and the daily life "
        "of the team. These months count as a chapter of their own in the career of the one and "
        "in the season of the other.",
    ),
    "P39": Relation(
        "position held",
        "[Y] holds the position of _X_.",
        "What position does [Y] hold?",
        (
            "[Y] serves as _X_.",
            "The office of [Y] is that of _X_.",
            "The position held by [Y] is _X_.",
            "[Y] is in office as _X_.",
            "In public life, [Y] acts as _X_.",
        ),
        "According to the public registers of {date}, {subject} is in office as {answer}. Whoever "
        "holds this office prepares decisions, answers for them and represents the institution "
        "to the outside. The choice was explained by long experience and by a record of work for "
        "the common good.",
    ),
    "P108": Relation(
        "employer",
        "[Y] works for _X_.",
        "Where does [Y] work?",
        (
            "[Y] is employed by _X_.",
            "The employer of [Y] is _X_.",
            "[Y] is on the staff of _X_.",
            "The organization that [Y] works at is _X_.",
            "By occupation, [Y] is with _X_.",
        ),
        "Staff directories and reports of {date} name {subject} as an employee of {answer}. The "
        "tasks include a share in the running projects and in what the organization wants to "
        "reach in the coming years. With such appointments the employer makes clear how much it "
        "relies on people who know their field.",
    ),
    "P286": Relation(
        "head coach",
        RELATION_TEMPLATES["P286"][0],
        "Who is the head coach of [Y]?",
        (
            "[Y] is coached by _X_.",
            "The coach of [Y] is _X_.",
            "The team [Y] is trained by _X_.",
            "The trainer in charge of [Y] is _X_.",
            "As its head coach, [Y] has _X_.",
        ),
        "Match reports and club notices from {date} give {answer} as the head coach of {subject}. "
        "The coach decides on tactics and line-ups, leads the training and answers for the "
        "results. How the team plays and how it sees itself has come to bear the mark of this "
        "work.",
    ),
    "P102": Relation(
        "member of political party",
        "[Y] is a member of the _X_.",
        "What party is [Y] a member of?",
        (
            "[Y] belongs to the _X_.",
            "The political party of [Y] is the _X_.",
            "[Y] is a politician of the _X_.",
            "In politics, [Y] stands for the _X_.",
            "The party that [Y] has joined is the _X_.",
        ),
        "Party registers and news reports of {date} list {subject} as a member of the {answer}. "
        "Members debate its programme, speak for it in public and help to prepare what it brings "
        "before parliament. Whoever joins shares the convictions of the party and what it stands "
        "for.",
    ),
    "P488": Relation(
        "chairperson",
        RELATION_TEMPLATES["P488"][0],
        "Who is the chair of [Y]?",
        (
            "[Y] is chaired by _X_.",
            "The chairperson of [Y] is _X_.",
            "The person who chairs [Y] is _X_.",
            "The board of [Y] is led by _X_.",
            "At the head of [Y] stands _X_.",
        ),
        "The minutes and annual reports of {date} show {answer} in the chair of {subject}. The "
        "chair leads the meetings, watches over plans and rules and sets off what is to be begun. "
        "Much of the course that the organization takes from here depends on the experience that "
        "has come with the appointment.",
    ),
    "P6": Relation(
        "head of government",
        RELATION_TEMPLATES["P6"][0],
        "Who is the head of the government of [Y]?",
        (
            "[Y] is governed by _X_.",
            "The government of [Y] is led by _X_.",
            "The leader of the government of [Y] is _X_.",
            "The person who heads the government of [Y] is _X_.",
            "Since the formation of its government, [Y] has been led by _X_.",
        ),
        "Gazettes and official notices of {date} record that {answer} heads the government of "
        "{subject}. Whoever does so carries out the policies, directs the administration and "
        "plans ahead for the community. The cabinet has set itself the tasks that press most and "
        "has begun work on projects for the region.",
    ),
    "P127": Relation(
        "owned by",
        "[Y] is owned by _X_.",
        "Who owns [Y]?",
        (
            "The owner of [Y] is _X_.",
            "[Y] belongs to _X_.",
            "[Y] is the property of _X_.",
            "The one who owns [Y] is _X_.",
            "The shares of [Y] are held by _X_.",
        ),
        "The commercial registers and balance sheets of {date} show that {subject} is owned by "
        "{answer}. Where the enterprise is heading and how it is run day by day is settled with "
        "its owner. The holding has weight among the owner's possessions and is meant for the "
        "long term.",
    ),
    "P69": Relation(
        "educated at",
        "[Y] attended _X_.",
        "Where did [Y] attend?",
        (
            "[Y] studied at _X_.",
            "[Y] was educated at _X_.",
            "The school of [Y] was _X_.",
            "The place where [Y] studied was _X_.",
            "As a student, [Y] was enrolled at _X_.",
        ),
        "Enrolment lists and yearbooks of {date} have {subject} as a student of {answer}. What was "
        "learned there gave a grounding in the subject and much of what is of use in the "
        "profession. Later steps of the career were built on these years of study.",
    ),
}
"""By relation, as Wikidata numbers them."""
