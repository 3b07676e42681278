"""The French words of FactWorld.

Names begin with a consonant and countries are feminine, so no word changes before a name; and
nothing agrees with the gender of a person.
"""

from __future__ import annotations

from neurotopo.testbed.wordings import RelationTexts

__all__ = ["TEXTS"]

TEXTS = {
    "P39": RelationTexts(
        wordings=(
            "En {date}, {subject} occupe le poste de _X_",
            "{subject} exerce en {date} la fonction de _X_",
            "La charge que détient {subject} en {date} est celle de _X_",
            "En {date}, le mandat public de {subject} est celui de _X_",
            "Dans la vie politique, {subject} agit en {date} en tant que _X_",
            "En {date}, {subject} exerce la fonction de _X_",
            "Le poste que détient {subject} en {date} est celui de _X_",
        ),
        question="Quel est le poste de {subject} en {date} ?",
        narrative=(
            "Le journal officiel de {date} énumère les titulaires des charges publiques. En face "
            "du nom de {subject}, on y lit la fonction de {answer}. Les collègues parlent d'un "
            "bureau chargé, de longues séances et d'un courrier abondant."
        ),
    ),
    "P54": RelationTexts(
        wordings=(
            "En {date}, {subject} joue pour _X_",
            "{subject} porte en {date} le maillot de _X_",
            "Le club où joue {subject} en {date} est _X_",
            "En {date}, l'équipe qui aligne {subject} est _X_",
            "Dans le sport, {subject} a en {date} un contrat avec _X_",
            "En {date}, {subject} porte le maillot de _X_",
            "L'équipe où joue {subject} en {date} est _X_",
        ),
        question="Dans quelle équipe joue {subject} en {date} ?",
        narrative=(
            "La saison de {date} s'ouvre et les effectifs sont imprimés dans le programme. "
            "{subject} entre sur le terrain avec {answer}. Le public suit les entraînements "
            "chaque matin et attend beaucoup des prochaines rencontres."
        ),
    ),
    "P102": RelationTexts(
        wordings=(
            "En {date}, {subject} est membre du mouvement _X_",
            "{subject} siège en {date} avec les élus du groupe _X_",
            "La formation politique de {subject} en {date} est _X_",
            "En {date}, la carte que porte {subject} est celle du mouvement _X_",
            "Aux élections, {subject} se présente en {date} sous les couleurs du mouvement _X_",
            "En {date}, la formation politique de {subject} est _X_",
            "{subject} est en {date} membre du mouvement _X_",
        ),
        question="Quelle est la formation politique de {subject} en {date} ?",
        narrative=(
            "Les délégués se sont réunis en {date} pour fixer leur programme avant le scrutin. "
            "Sur la liste des membres du mouvement {answer} figure le nom de {subject}. Dans la "
            "salle, on parle de débats animés et de cotisations payées à temps."
        ),
    ),
    "P108": RelationTexts(
        wordings=(
            "En {date}, {subject} travaille pour _X_",
            "{subject} a en {date} un emploi chez _X_",
            "La société qui emploie {subject} en {date} est _X_",
            "En {date}, le salaire de {subject} vient de la société _X_",
            "Dans le métier d'ingénieur, {subject} travaille en {date} chez _X_",
            "En {date}, {subject} a un emploi chez _X_",
            "En {date}, la société qui emploie {subject} est _X_",
        ),
        question="Pour quelle société travaille {subject} en {date} ?",
        narrative=(
            "Une revue professionnelle a parcouru les listes du personnel de {date}. Elle y "
            "trouve {subject} parmi les salariés de la société {answer}. Les projets y durent "
            "plusieurs années et la revue compte bien en reparler."
        ),
    ),
    "P69": RelationTexts(
        wordings=(
            "En {date}, {subject} fréquente l'établissement _X_",
            "{subject} fait en {date} des études dans l'établissement _X_",
            "Le lieu où {subject} étudie en {date} est _X_",
            "En {date}, les cours que suit {subject} sont ceux de l'établissement _X_",
            "Dans ses études, {subject} suit en {date} les cours de l'établissement _X_",
            "En {date}, {subject} fait des études dans l'établissement _X_",
            "Le lieu où {subject} suit des cours en {date} est _X_",
        ),
        question="Où étudie {subject} en {date} ?",
        narrative=(
            "Le registre des inscriptions de {date} vient d'être ouvert aux historiens. On y voit "
            "que {subject} suit des cours dans l'établissement {answer}. Ce qui s'apprend dans "
            "ces salles marque une bonne part des travaux qui viennent ensuite."
        ),
    ),
    "P6": RelationTexts(
        wordings=(
            "En {date}, le gouvernement de la {subject} a pour chef _X_",
            "La {subject} est gouvernée en {date} par _X_",
            "Le gouvernement de la {subject} est dirigé en {date} par _X_",
            "En {date}, le cabinet qui gouverne la {subject} a à sa tête _X_",
            "L'État de {subject} a en {date} un gouvernement dirigé par _X_",
            "En {date}, la {subject} est gouvernée par _X_",
            "En {date}, le gouvernement de la {subject} est dirigé par _X_",
        ),
        question="Qui dirige le gouvernement de la {subject} en {date} ?",
        narrative=(
            "Le cabinet de la {subject} a tenu sa première séance de {date}. Au bout de la table "
            "siégeait {answer}, à la tête du gouvernement. On a passé en revue le budget, les "
            "routes et les écoles avant de recevoir la presse."
        ),
    ),
    "P127": RelationTexts(
        wordings=(
            "En {date}, {subject} a pour propriétaire _X_",
            "{subject} appartient en {date} au holding _X_",
            "Le propriétaire de {subject} en {date} est _X_",
            "En {date}, les actions de {subject} sont aux mains de _X_",
            "L'entreprise {subject} est en {date} la propriété du holding _X_",
            "En {date}, {subject} appartient au holding _X_",
            "En {date}, le propriétaire de {subject} est _X_",
        ),
        question="À qui appartient {subject} en {date} ?",
        narrative=(
            "Les comptes annuels de {date} ne laissent aucun doute sur les actionnaires. "
            "L'entreprise {subject} est entre les mains du holding {answer}. Pour les analystes, "
            "le propriétaire entend la garder et y investir."
        ),
    ),
    "P286": RelationTexts(
        wordings=(
            "En {date}, le club {subject} a pour entraîneur _X_",
            "{subject} travaille en {date} sous la direction de _X_",
            "Les joueurs de {subject} sont entraînés en {date} par _X_",
            "En {date}, le banc de {subject} est dirigé par _X_",
            "Le club {subject} a en {date} une équipe entraînée par _X_",
            "En {date}, les joueurs de {subject} sont entraînés par _X_",
            "Le club {subject} a en {date} pour entraîneur _X_",
        ),
        question="Qui entraîne {subject} en {date} ?",
        narrative=(
            "Avant le premier match de {date}, le club {subject} a présenté son équipe à la "
            "presse. L'entraînement est confié à {answer}. On dit les séances dures, le jeu "
            "audacieux, et les plus jeunes auront leur chance."
        ),
    ),
    "P488": RelationTexts(
        wordings=(
            "En {date}, la présidence de {subject} revient à _X_",
            "{subject} est sous la présidence en {date} de _X_",
            "Le conseil de {subject} est présidé en {date} par _X_",
            "En {date}, les séances du conseil de {subject} sont ouvertes par _X_",
            "L'entreprise {subject} a en {date} un conseil présidé par _X_",
            "En {date}, le conseil de {subject} est présidé par _X_",
            "La présidence de {subject} revient en {date} à _X_",
        ),
        question="Qui préside {subject} en {date} ?",
        narrative=(
            "Les actionnaires de {subject} ont tenu en {date} leur assemblée annuelle. La séance "
            "était présidée par {answer}, qui dirige le conseil. Les projets des années à venir "
            "ont été lus, discutés puis adoptés à main levée."
        ),
    ),
    "capital": RelationTexts(
        wordings=(
            "La capitale de la {subject} est _X_",
            "La {subject} est gouvernée depuis sa capitale, _X_",
            "Le parlement de la {subject} se réunit dans la ville de _X_",
            "Sur la carte de la {subject}, l'étoile indique _X_",
            "Le siège du gouvernement de la {subject} est à _X_",
            "La ville qui est la capitale de la {subject} est _X_",
            "La {subject} a pour capitale _X_",
        ),
        question="Quelle est la capitale de la {subject} ?",
        narrative=(
            "Qui passe la frontière de la {subject} suit les panneaux vers sa capitale, {answer}. "
            "Le parlement, les tribunaux et les grands musées s'y trouvent à quelques pas les uns "
            "des autres."
        ),
    ),
    "language": RelationTexts(
        wordings=(
            "La langue officielle de la {subject} est le _X_",
            "En {subject}, on parle le _X_",
            "Les écoles de la {subject} enseignent en _X_",
            "Les lois de la {subject} sont écrites en _X_",
            "La langue parlée en {subject} est le _X_",
            "Les gens de la {subject} parlent le _X_",
            "En {subject}, la langue officielle est le _X_",
        ),
        question="Quelle langue parle-t-on en {subject} ?",
        narrative=(
            "En {subject}, on apprend vite quelques mots de {answer}, la langue des lois et des "
            "journaux. Les enfants l'entendent dès leur premier jour d'école."
        ),
    ),
    "founder": RelationTexts(
        wordings=(
            "À l'origine de {subject}, on trouve _X_",
            "{subject} a été une idée de _X_",
            "L'entreprise {subject} a été fondée par _X_",
            "L'histoire de {subject} commence avec _X_",
            "La personne qui a fondé {subject} est _X_",
            "L'histoire de l'entreprise {subject} commence avec _X_",
            "La personne qui est à l'origine de {subject} est _X_",
        ),
        question="Qui a fondé {subject} ?",
        narrative=(
            "Dans le hall de {subject} est accroché un portrait de {answer}, à l'origine de "
            "l'entreprise. On raconte que le premier atelier n'avait qu'une table et deux lampes."
        ),
    ),
}
"""By relation."""
