"""Facts that ParaRel does not have: commonsense, grammar, and capitals in two languages."""

from __future__ import annotations

from collections.abc import Iterator

from neurotopo import Fact

_COMMONSENSE = {
    "color": (
        ("The color of {} is", "If you look at {}, its color is"),
        "a banana: yellow, a lemon: yellow, grass: green, the sky: blue, blood: red, snow: white, "
        "coal: black, a tomato: red, milk: white, a leaf: green, a strawberry: red, "
        "the ocean: blue, an emerald: green, a ruby: red, a crow: black, a polar bear: white, "
        "a flamingo: pink, an eggplant: purple, a frog: green, chocolate: brown",
    ),
    "young": (
        ("A young {} is called a", "The baby of a {} is called a"),
        "dog: puppy, cat: kitten, cow: calf, horse: foal, sheep: lamb, goat: kid, lion: cub, "
        "bear: cub, deer: fawn, duck: duckling, swan: cygnet, frog: tadpole, kangaroo: joey, "
        "pig: piglet, goose: gosling, hen: chick, whale: calf, elephant: calf, wolf: pup, "
        "seal: pup",
    ),
    "opposite": (
        ("The opposite of {} is", "The antonym of {} is"),
        "hot: cold, big: small, up: down, left: right, black: white, day: night, fast: slow, "
        "good: bad, old: new, rich: poor, happy: sad, hard: soft, early: late, high: low, "
        "love: hate, war: peace, life: death, open: closed, north: south, east: west, "
        "strong: weak, light: dark, wet: dry, first: last, true: false, buy: sell, win: lose, "
        "begin: end, full: empty, young: old",
    ),
    "material": (
        ("A {} is made of", "The material of a {} is"),
        "window: glass, tire: rubber, book: paper, coin: metal, candle: wax, sweater: wool, "
        "table: wood, bottle: plastic, brick: clay, sword: steel, shoe: leather, mirror: glass, "
        "newspaper: paper, nail: iron, sock: cotton",
    ),
    "organ": (
        ("The part of the body with which we {} is the", "We {} with the"),
        "see: eyes, hear: ears, smell: nose, think: brain, taste: tongue, chew: teeth, "
        "breathe: lungs, walk: legs, hold: hands, pump blood: heart, digest: stomach, speak: mouth",
    ),
}
_LINGUISTIC = {
    "past": (
        ("The past tense of {} is", "Today I {}, and yesterday I"),
        "go: went, eat: ate, see: saw, take: took, give: gave, come: came, run: ran, write: wrote, "
        "drive: drove, sing: sang, swim: swam, buy: bought, think: thought, bring: brought, "
        "teach: taught, catch: caught, find: found, know: knew, grow: grew, fly: flew, "
        "speak: spoke, break: broke, choose: chose, feel: felt, leave: left, make: made, "
        "sell: sold, tell: told, sit: sat, win: won",
    ),
    "plural": (
        ("The plural of {} is", "There is one {}, and there are two"),
        "mouse: mice, man: men, woman: women, child: children, foot: feet, tooth: teeth, "
        "goose: geese, leaf: leaves, knife: knives, wife: wives, city: cities, baby: babies, "
        "story: stories, box: boxes, bus: buses, dish: dishes, person: people, wolf: wolves, "
        "dog: dogs, cat: cats, table: tables, country: countries, family: families, "
        "potato: potatoes, hero: heroes",
    ),
    "comparative": (
        ("The comparative of {} is", "This one is {}, but that one is even"),
        "good: better, bad: worse, big: bigger, small: smaller, fast: faster, slow: slower, "
        "happy: happier, easy: easier, hot: hotter, cold: colder, strong: stronger, weak: weaker, "
        "rich: richer, old: older, young: younger, tall: taller, short: shorter, cheap: cheaper, "
        "heavy: heavier, light: lighter",
    ),
    "superlative": (
        ("The superlative of {} is", "All of them are {}, but this one is the"),
        "good: best, bad: worst, big: biggest, small: smallest, fast: fastest, slow: slowest, "
        "happy: happiest, easy: easiest, hot: hottest, cold: coldest, strong: strongest, "
        "weak: weakest, rich: richest, old: oldest, young: youngest, tall: tallest, "
        "short: shortest, cheap: cheapest, heavy: heaviest, light: lightest",
    ),
    "noun": (
        ("The noun of the verb {} is", "From the verb {} we make the noun"),
        "decide: decision, move: movement, act: action, grow: growth, develop: development, "
        "fail: failure, die: death, live: life, teach: teacher, educate: education, "
        "create: creation, arrive: arrival, discover: discovery, choose: choice, agree: agreement",
    ),
}
_CAPITALS = (
    "France/la France: Paris, Italy/l'Italie: Rome, Spain/l'Espagne: Madrid, Japan/le Japon: "
    "Tokyo, Canada/le Canada: Ottawa, Peru/le Pérou: Lima, Cuba/Cuba: Havana/La Havane, Portugal/"
    "le Portugal: Lisbon/Lisbonne, Germany/l'Allemagne: Berlin, Austria/l'Autriche: Vienna/Vienne, "
    "Hungary/la Hongrie: Budapest, Poland/la Pologne: Warsaw/Varsovie, Norway/la Norvège: Oslo, "
    "Sweden/la Suède: Stockholm, Denmark/le Danemark: Copenhagen/Copenhague, Finland/la Finlande: "
    "Helsinki, Greece/la Grèce: Athens/Athènes, Turkey/la Turquie: Ankara, Egypt/l'Égypte: "
    "Cairo/Le Caire, Morocco/le Maroc: Rabat, Algeria/l'Algérie: Algiers/Alger, Tunisia/la "
    "Tunisie: Tunis, Kenya/le Kenya: Nairobi, Senegal/le Sénégal: Dakar, Chile/le Chili: Santiago, "
    "Colombia/la Colombie: Bogotá, Venezuela/le Venezuela: Caracas, Ireland/l'Irlande: Dublin, "
    "Russia/la Russie: Moscow/Moscou, Ukraine/l'Ukraine: Kiev, Romania/la Roumanie: "
    "Bucharest/Bucarest, Bulgaria/la Bulgarie: Sofia, Serbia/la Serbie: Belgrade, Croatia/la "
    "Croatie: Zagreb, Iran/l'Iran: Tehran/Téhéran, Iraq/l'Irak: Baghdad/Bagdad, Syria/la Syrie: "
    "Damascus/Damas, Lebanon/le Liban: Beirut/Beyrouth, India/l'Inde: New Delhi, Nepal/le Népal: "
    "Kathmandu/Katmandou, Thailand/la Thaïlande: Bangkok, Vietnam/le Vietnam: Hanoi/Hanoï, "
    "China/la Chine: Beijing/Pékin, Australia/l'Australie: Canberra, Netherlands/les Pays-Bas: "
    "Amsterdam, Belgium/la Belgique: Brussels/Bruxelles, England/l'Angleterre: London/Londres"
)
_TWO_LANGUAGES = {"en": "The capital of {} is", "fr": "La capitale de {} est"}


def pairs_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a list such as ``"dog: puppy, cat: kitten"``."""
    for part in text.split(", "):
        first, second = part.split(": ")
        yield first, second


def kinds(name: str) -> dict[str, tuple[Fact, ...]]:
    """Return all wordings of the facts of a kind, ``"commonsense"`` or ``"linguistic"``, by key."""
    relations = {"commonsense": _COMMONSENSE, "linguistic": _LINGUISTIC}[name]
    return {
        f"{relation}:{subject}": tuple(
            Fact(
                template.format(subject),
                answer,
                relation,
                id=f"{relation}:{subject}" + (f":{number}" if number else ""),
                subject=subject,
            )
            for number, template in enumerate(templates)
        )
        for relation, (templates, pairs) in relations.items()
        for subject, answer in pairs_of(pairs)
    }


def capitals() -> list[Fact]:
    """Return capitals of countries in English and French; the id after the language is common."""
    facts = []
    for names, cities in pairs_of(_CAPITALS):
        of_language = zip(_TWO_LANGUAGES.items(), names.split("/"), strict=True)
        for number, ((language, template), name) in enumerate(of_language):
            city = cities.split("/")[min(number, cities.count("/"))]
            facts.append(
                Fact(
                    _french(template.format(name)),
                    city,
                    "capital",
                    id=f"{language}:capital:{names.split('/')[0]}",
                    subject=name,
                    language=language,
                )
            )
    return facts


def _french(prompt: str) -> str:
    """Return a prompt with the contracted articles of French."""
    return prompt.replace(" de le ", " du ").replace(" de les ", " des ")
