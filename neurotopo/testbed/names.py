"""The names of FactWorld: few parts, put together anew in every world, in three languages.

A name is made of parts that come back in other names, so a tokenizer of a few thousand tokens
holds all of them in few tokens. French ones begin with a consonant wherever a word before would
elide.
"""

# ruff: noqa: RUF001 - these letters are meant to be Cyrillic

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurotopo.testbed.draws import Draws

__all__ = ["KINDS", "LANGUAGES", "POSITIONS", "Entity", "draw_names"]

LANGUAGES = ("en", "fr", "ru")
"""The languages that every name and wording is there in."""

Name = tuple[str, str, str]
"""A name, or a part of one, in each of :data:`LANGUAGES`."""

KINDS = (
    "person",
    "city",
    "country",
    "tongue",
    "club",
    "party",
    "company",
    "group",
    "school",
    "position",
)
"""What an entity can be."""

_GIVEN: tuple[Name, ...] = tuple(
    (latin, latin, cyrillic)
    for latin, cyrillic in (
        ("Bela", "Бела"),
        ("Boris", "Борис"),
        ("Dana", "Дана"),
        ("Denis", "Денис"),
        ("Dora", "Дора"),
        ("Fabio", "Фабио"),
        ("Gita", "Гита"),
        ("Karl", "Карл"),
        ("Kira", "Кира"),
        ("Lena", "Лена"),
        ("Leon", "Леон"),
        ("Lukas", "Лукас"),
        ("Mara", "Мара"),
        ("Marek", "Марек"),
        ("Mila", "Мила"),
        ("Nadia", "Надия"),
        ("Nils", "Нильс"),
        ("Nora", "Нора"),
        ("Pavel", "Павел"),
        ("Petra", "Петра"),
        ("Ravi", "Рави"),
        ("Rosa", "Роза"),
        ("Rufus", "Руфус"),
        ("Sara", "Сара"),
        ("Stefan", "Стефан"),
        ("Tara", "Тара"),
        ("Tomas", "Томас"),
        ("Vera", "Вера"),
        ("Viktor", "Виктор"),
        ("Zoltan", "Золтан"),
    )
)
_SURNAME = (
    (
        ("Bar", "Бар"),
        ("Dor", "Дор"),
        ("Fal", "Фал"),
        ("Gor", "Гор"),
        ("Kas", "Кас"),
        ("Lor", "Лор"),
        ("Mun", "Мун"),
        ("Pel", "Пел"),
        ("Sar", "Сар"),
        ("Tol", "Тол"),
    ),
    (
        ("nik", "ник"),
        ("dek", "дек"),
        ("man", "ман"),
        ("vas", "вас"),
        ("bert", "берт"),
        ("tin", "тин"),
    ),
)
_CITY_FIRST: tuple[Name, ...] = (
    ("Brask", "Brasc", "Браск"),
    ("Dorv", "Dorv", "Дорв"),
    ("Drun", "Drun", "Друн"),
    ("Felk", "Felc", "Фелк"),
    ("Gilm", "Gilm", "Гилм"),
    ("Grav", "Grav", "Грав"),
    ("Kest", "Quest", "Кест"),
    ("Kolv", "Colv", "Колв"),
    ("Lomb", "Lomb", "Ломб"),
    ("Melk", "Melc", "Мелк"),
    ("Novar", "Novar", "Новар"),
    ("Pemb", "Pemb", "Пемб"),
    ("Rind", "Rind", "Ринд"),
    ("Stavel", "Stavel", "Ставел"),
    ("Tarn", "Tarn", "Тарн"),
    ("Vask", "Vasc", "Васк"),
)
_CITY_LAST: tuple[Name, ...] = (
    ("ton", "ville", "град"),
    ("ford", "mont", "поль"),
    ("wick", "bourg", "бор"),
    ("port", "port", "порт"),
)
_COUNTRY_FIRST: tuple[Name, ...] = (
    ("Brel", "Brel", "Брел"),
    ("Dosk", "Dosc", "Доск"),
    ("Fenn", "Fenn", "Фенн"),
    ("Garv", "Garv", "Гарв"),
    ("Kelm", "Quelm", "Келм"),
    ("Lund", "Lond", "Лунд"),
    ("Marv", "Marv", "Марв"),
    ("Nosk", "Nosc", "Носк"),
    ("Pald", "Pald", "Палд"),
    ("Rusp", "Rousp", "Русп"),
    ("Selk", "Selc", "Селк"),
    ("Tarv", "Tarv", "Тарв"),
    ("Velm", "Velm", "Велм"),
    ("Zund", "Zond", "Зунд"),
)
_COUNTRY_LAST: tuple[Name, ...] = (
    ("ia", "ie", "ия"),
    ("land", "lande", "ландия"),
    ("ina", "ine", "ина"),
)
_TONGUE_FIRST: tuple[Name, ...] = (
    ("Bav", "bav", "бав"),
    ("Dern", "dern", "дерн"),
    ("Gorm", "gorm", "горм"),
    ("Kand", "cand", "канд"),
    ("Lesk", "lesk", "леск"),
    ("Monn", "monn", "монн"),
    ("Pruv", "prouv", "прув"),
    ("Rald", "rald", "ралд"),
    ("Silm", "silm", "силм"),
    ("Tund", "tond", "тунд"),
    ("Vorn", "vorn", "ворн"),
    ("Zarl", "zarl", "зарл"),
)
_TONGUE_LAST: tuple[Name, ...] = (("ish", "ois", "ский"), ("ese", "ais", "ийский"))
_PARTY: tuple[tuple[Name, ...], tuple[Name, ...]] = (
    (
        ("Anchor", "Ancre", "Якорь"),
        ("Beacon", "Phare", "Маяк"),
        ("Compass", "Boussole", "Компас"),
        ("Harvest", "Moisson", "Жатва"),
        ("Lantern", "Lanterne", "Фонарь"),
        ("Meadow", "Prairie", "Луг"),
        ("Orchard", "Verger", "Сад"),
        ("River", "Fleuve", "Река"),
    ),
    (
        ("Party", "Parti", "Партия"),
        ("League", "Ligue", "Лига"),
        ("Union", "Union", "Союз"),
        ("Front", "Front", "Фронт"),
    ),
)
_COMPANY_FIRST: tuple[Name, ...] = (
    ("Birk", "Birk", "Бирк"),
    ("Delmo", "Delmo", "Делмо"),
    ("Fargu", "Fargu", "Фаргу"),
    ("Galvo", "Galvo", "Галво"),
    ("Korda", "Korda", "Корда"),
    ("Lumek", "Lumek", "Лумек"),
    ("Montek", "Montek", "Монтек"),
    ("Nexar", "Nexar", "Нексар"),
    ("Paxol", "Paxol", "Паксол"),
    ("Rubex", "Rubex", "Рубекс"),
    ("Silvo", "Silvo", "Силво"),
    ("Teknar", "Teknar", "Текнар"),
    ("Vantor", "Vantor", "Вантор"),
    ("Zetra", "Zetra", "Зетра"),
)
_COMPANY_LAST: tuple[Name, ...] = (
    ("Motors", "Moteurs", "Моторс"),
    ("Foods", "Vivres", "Фудс"),
    ("Steel", "Forges", "Стил"),
    ("Media", "Médias", "Медиа"),
)
_GROUP_FIRST: tuple[Name, ...] = (
    ("Argost", "Argost", "Аргост"),
    ("Bormal", "Bormalé", "Бормал"),
    ("Kobrin", "Cobrin", "Кобрин"),
    ("Dynast", "Dynast", "Династ"),
    ("Falmor", "Falmor", "Фалмор"),
    ("Granex", "Granex", "Гранекс"),
    ("Horvent", "Horvent", "Горвент"),
    ("Magnor", "Magnor", "Магнор"),
    ("Neptor", "Neptor", "Нептор"),
    ("Orvane", "Orvanne", "Орван"),
    ("Sigmel", "Sigmel", "Сигмел"),
    ("Titrex", "Titrex", "Титрекс"),
)
_GROUP_LAST: tuple[Name, ...] = (("Group", "Groupe", "Группа"), ("Capital", "Capital", "Капитал"))
_CLUB_LAST: tuple[Name, ...] = (
    ("Rovers", "Racing", "Заря"),
    ("United", "Sporting", "Звезда"),
    ("Athletic", "Stade", "Факел"),
)
_SCHOOL_LAST: tuple[Name, ...] = (
    ("University", "Université", "Университет"),
    ("College", "Collège", "Колледж"),
    ("Institute", "Institut", "Институт"),
)
POSITIONS: tuple[Name, ...] = (
    ("Minister of Finance", "ministre des Finances", "министр финансов"),
    ("Minister of Labour", "ministre du Travail", "министр труда"),
    ("Minister of Trade", "ministre du Commerce", "министр торговли"),
    ("Minister of Transport", "ministre des Transports", "министр транспорта"),
    ("Minister of Sport", "ministre des Sports", "министр спорта"),
    ("Minister of Tourism", "ministre du Tourisme", "министр туризма"),
    ("Governor", "gouverneur", "губернатор"),
    ("Senator", "sénateur", "сенатор"),
    ("Treasurer", "trésorier", "казначей"),
    ("Prosecutor General", "procureur général", "генеральный прокурор"),
    ("Speaker of Parliament", "président du Parlement", "спикер парламента"),
    ("Chief of Staff", "chef de cabinet", "глава аппарата"),
    ("Comptroller", "contrôleur", "контролёр"),
    ("Consul", "consul", "консул"),
)
"""The offices that politicians hold."""


@dataclass(frozen=True)
class Entity:
    """Somebody or something of the world.

    Attributes
    ----------
    key : str
        Its kind and number, ``"person17"``.
    kind : str
        One of :data:`KINDS`.
    number : int
        Its number among all entities, from 1.
    names : tuple of str
        Its name in each of :data:`LANGUAGES`.
    """

    key: str
    kind: str
    number: int
    names: Name

    def name(self, language: str) -> str:
        """Return its name in a language."""
        return self.names[LANGUAGES.index(language)]


def _pairs(first: Sequence[Name], last: Sequence[Name], glue: Sequence[str]) -> list[Name]:
    """Return every first part with every last part, as the pattern of each language says."""
    return [_joined(a, b, glue) for a in first for b in last]


def _joined(first: Name, last: Name, glue: Sequence[str]) -> Name:
    en, fr, ru = (pattern.format(a, b) for pattern, a, b in zip(glue, first, last, strict=True))
    return en, fr, ru


_ONE_WORD = ("{0}{1}",) * 3
_LAST_FIRST = ("{0} {1}", "{1} {0}", "{1} {0}")


def _people() -> list[Name]:
    surnames: list[Name] = [(a + b, a + b, c + d) for a, c in _SURNAME[0] for b, d in _SURNAME[1]]
    return _pairs(_GIVEN, surnames, ("{0} {1}",) * 3)


_POOLS: dict[str, list[Name]] = {
    "person": _people(),
    "city": _pairs(_CITY_FIRST, _CITY_LAST, _ONE_WORD),
    "country": _pairs(_COUNTRY_FIRST, _COUNTRY_LAST, _ONE_WORD),
    "tongue": _pairs(_TONGUE_FIRST, _TONGUE_LAST, _ONE_WORD),
    "party": _pairs(_PARTY[0], _PARTY[1], _LAST_FIRST),
    "company": _pairs(_COMPANY_FIRST, _COMPANY_LAST, ("{0} {1}", "{1} {0}", "{0} {1}")),
    "group": _pairs(_GROUP_FIRST, _GROUP_LAST, _LAST_FIRST),
    "position": list(POSITIONS),
}


def draw_names(kind: str, n: int, draws: Draws, cities: Iterable[Entity] = ()) -> list[Name]:
    """Return n distinct names of a kind.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    n : int
        How many.
    draws : Draws
        Where chance comes from.
    cities : iterable of Entity
        Where clubs and schools are.

    Raises
    ------
    ValueError
        When there are fewer such names.

    Examples
    --------
    >>> from neurotopo.testbed.draws import Draws
    >>> from neurotopo.testbed.names import draw_names
    >>> draw_names("city", 2, Draws(1))
    [('Dorvton', 'Dorvville', 'Дорвград'), ('Vaskport', 'Vascport', 'Васкпорт')]
    """
    if kind in ("club", "school"):
        lasts = _CLUB_LAST if kind == "club" else _SCHOOL_LAST
        pool = _pairs([city.names for city in cities], lasts, _LAST_FIRST)
    else:
        pool = _POOLS[kind]
    if not 1 <= n <= len(pool):
        raise ValueError(
            f"a world has at least one and at most {len(pool)} of kind {kind!r}, got {n}."
        )
    return draws.shuffled(pool)[:n]
