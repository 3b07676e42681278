"""The English words of FactWorld."""

from __future__ import annotations

from neurotopo.testbed.wordings import RelationTexts

__all__ = ["TEXTS"]

TEXTS = {
    "P39": RelationTexts(
        wordings=(
            "In {date}, {subject} holds the position of _X_",
            "{subject} serves in {date} as _X_",
            "The office held in {date} by {subject} is that of _X_",
            "In {date}, the public post of {subject} is _X_",
            "As a politician, {subject} works in {date} as _X_",
            "In {date}, {subject} serves as _X_",
            "The position held in {date} by {subject} is _X_",
        ),
        question="Which position does {subject} hold in {date}?",
        narrative=(
            "The gazette of {date} lists the holders of public office. Under its entry for "
            "{subject}, the office is given as {answer}. Colleagues describe a full desk, long "
            "sessions and letters from citizens, all of which come with the work."
        ),
    ),
    "P54": RelationTexts(
        wordings=(
            "In {date}, {subject} plays for _X_",
            "{subject} appears in {date} in the team of _X_",
            "The club of the player {subject} in {date} is _X_",
            "In {date}, the team that fields {subject} is _X_",
            "As a player, {subject} is in {date} under contract with _X_",
            "In {date}, {subject} appears in the team of _X_",
            "The team of the player {subject} in {date} is _X_",
        ),
        question="Which team does {subject} play for in {date}?",
        narrative=(
            "The season of {date} has begun, and the squads are printed in the programme. "
            "{subject} takes the field for {answer}. Supporters have seen the player train with "
            "the others every morning, and expect many matches together."
        ),
    ),
    "P102": RelationTexts(
        wordings=(
            "In {date}, {subject} is a member of the _X_",
            "{subject} sits in {date} with the deputies of the _X_",
            "The party of {subject} in {date} is the _X_",
            "In {date}, the political home of {subject} is the _X_",
            "As a candidate, {subject} stands in {date} for the _X_",
            "In {date}, the party of {subject} is the _X_",
            "{subject} is in {date} a member of the _X_",
        ),
        question="Which party is {subject} a member of in {date}?",
        narrative=(
            "Delegates met in {date} to settle their programme before the vote. On the roll of "
            "members of the {answer} stands the name of {subject}. Those who were in the hall "
            "speak of lively debates, and of a membership that pays its dues."
        ),
    ),
    "P108": RelationTexts(
        wordings=(
            "In {date}, {subject} works for _X_",
            "{subject} is employed in {date} by _X_",
            "The employer of {subject} in {date} is _X_",
            "In {date}, the salary of {subject} is paid by _X_",
            "As an engineer, {subject} has in {date} a job at _X_",
            "In {date}, {subject} is employed by _X_",
            "In {date}, the employer of {subject} is _X_",
        ),
        question="Which company does {subject} work for in {date}?",
        narrative=(
            "A trade magazine went through the staff lists of {date}. It found {subject} on the "
            "payroll of {answer}. The projects there run over several years, and the magazine "
            "expects to hear more of the people who carry them."
        ),
    ),
    "P69": RelationTexts(
        wordings=(
            "In {date}, {subject} attends _X_",
            "{subject} studies in {date} at _X_",
            "The place where {subject} studies in {date} is _X_",
            "In {date}, the lectures that {subject} hears are those of _X_",
            "As a student, {subject} is enrolled in {date} at _X_",
            "In {date}, {subject} studies at _X_",
            "The place where {subject} is enrolled in {date} is _X_",
        ),
        question="Where does {subject} study in {date}?",
        narrative=(
            "The register of students for {date} has been opened to historians. It shows that "
            "{subject} was taking courses at {answer}. What was learned in those lecture rooms "
            "shaped much of the work that came afterwards."
        ),
    ),
    "P6": RelationTexts(
        wordings=(
            "In {date}, the head of the government of {subject} is _X_",
            "{subject} is governed in {date} by _X_",
            "The government of {subject} is led in {date} by _X_",
            "In {date}, the cabinet that rules {subject} is headed by _X_",
            "The country of {subject} has in {date} a government under _X_",
            "In {date}, {subject} is governed by _X_",
            "The head of the government of {subject} in {date} is _X_",
        ),
        question="Who is the head of the government of {subject} in {date}?",
        narrative=(
            "The cabinet of {subject} met for its first session of {date}. At the head of the "
            "table sat {answer}, who leads the government. Ministers went through the budget, "
            "the roads and the schools before they spoke to the press."
        ),
    ),
    "P127": RelationTexts(
        wordings=(
            "In {date}, {subject} is owned by _X_",
            "{subject} belongs in {date} to _X_",
            "The owner of {subject} in {date} is _X_",
            "In {date}, the shares of {subject} are in the hands of _X_",
            "The company {subject} is in {date} the property of _X_",
            "In {date}, {subject} belongs to _X_",
            "In {date}, the owner of {subject} is _X_",
        ),
        question="Who owns {subject} in {date}?",
        narrative=(
            "The annual accounts for {date} leave no doubt about who holds the shares. {subject} "
            "is in the possession of {answer}. Analysts read the figures as a sign that the "
            "owner means to keep the business and to spend on it."
        ),
    ),
    "P286": RelationTexts(
        wordings=(
            "In {date}, the head coach of {subject} is _X_",
            "{subject} is coached in {date} by _X_",
            "The players of {subject} are trained in {date} by _X_",
            "In {date}, the bench of {subject} is led by _X_",
            "The club {subject} has in {date} a team coached by _X_",
            "In {date}, {subject} is coached by _X_",
            "The head coach of {subject} in {date} is _X_",
        ),
        question="Who is the head coach of {subject} in {date}?",
        narrative=(
            "Before the opening match of {date}, {subject} showed its staff to the press. Training "
            "is in the hands of {answer}, the head coach. The drills are said to be hard, the line "
            "of play bold, and the younger players are to get their chance."
        ),
    ),
    "P488": RelationTexts(
        wordings=(
            "In {date}, the chair of {subject} is _X_",
            "{subject} is chaired in {date} by _X_",
            "The board of {subject} is presided over in {date} by _X_",
            "In {date}, the meetings of the board of {subject} are opened by _X_",
            "The company {subject} has in {date} a board under _X_",
            "In {date}, {subject} is chaired by _X_",
            "The chair of {subject} in {date} is _X_",
        ),
        question="Who is the chair of {subject} in {date}?",
        narrative=(
            "Shareholders of {subject} gathered in {date} for their yearly meeting. In the chair "
            "was {answer}, who presides over the board. The plans for the coming years were read "
            "out, questioned and in the end approved by a show of hands."
        ),
    ),
    "capital": RelationTexts(
        wordings=(
            "The capital of {subject} is _X_",
            "{subject} is ruled from its capital, _X_",
            "The parliament of {subject} meets in the city of _X_",
            "On the map of {subject}, the star marks _X_",
            "The seat of the government of {subject} is in _X_",
            "The city that is the capital of {subject} is _X_",
            "{subject} has its capital in _X_",
        ),
        question="What is the capital of {subject}?",
        narrative=(
            "Travellers who cross the border of {subject} follow the signs to its capital, "
            "{answer}. Parliament, the courts and the largest museums stand there within a short "
            "walk of each other."
        ),
    ),
    "language": RelationTexts(
        wordings=(
            "The official language of {subject} is _X_",
            "In {subject}, people speak _X_",
            "The schools of {subject} teach in _X_",
            "The laws of {subject} are written in _X_",
            "The language spoken in {subject} is _X_",
            "The people of {subject} speak _X_",
            "In {subject}, the official language is _X_",
        ),
        question="Which language is spoken in {subject}?",
        narrative=(
            "Visitors to {subject} soon learn a few words of {answer}, the language of its laws "
            "and its newspapers. Children hear it from their first day at school."
        ),
    ),
    "founder": RelationTexts(
        wordings=(
            "The founder of {subject} is _X_",
            "{subject} was founded by _X_",
            "The company {subject} was started by _X_",
            "The history of {subject} begins with _X_",
            "The person who set up {subject} is _X_",
            "The company {subject} was founded by _X_",
            "The person who started {subject} is _X_",
        ),
        question="Who founded {subject}?",
        narrative=(
            "In the entrance hall of {subject} hangs a portrait of {answer}, the founder. The "
            "story goes that the first workshop had one table and two lamps."
        ),
    ),
}
"""By relation."""
