"""Words that stand for numbers, units and dates, by language: English, German, French, Spanish.

Everything is given folded (lower case, no diacritics), as `service.words.fold` gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain

from service.words import fold

_CARDINALS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "de": "null ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf "
    "dreizehn vierzehn funfzehn sechzehn "
    "siebzehn achtzehn neunzehn",
    "fr": "zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    "es": "cero un dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintidos veintitres "
    "veinticuatro veinticinco veintiseis "
    "veintisiete veintiocho veintinueve",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}
_MORE_NUMBERS = {
    "en": {},
    "de": {"eins": 1, "eine": 1, "einen": 1, "einer": 1, "einem": 1, "dreißig": 30},
    "fr": {"une": 1, "septante": 70, "huitante": 80, "nonante": 90, "vingts": 20},
    "es": {"uno": 1, "una": 1, "veintiun": 21, "veintiuna": 21}
    | {
        f"{stem}ient{end}": value
        for stem, value in {
            "dosc": 200,
            "tresc": 300,
            "cuatroc": 400,
            "seisc": 600,
            "setec": 700,
            "ochoc": 800,
        }.items()
        for end in ("os", "as")
    }
    | {"quinientos": 500, "quinientas": 500, "novecientos": 900, "novecientas": 900, "ciento": 100},
}
_MAGNITUDES = {
    "en": "hundred=100 thousand=1e3 million=1e6 billion=1e9 trillion=1e12 "
    "dozen=12 mn=1e6 bn=1e9 tn=1e12 mln=1e6 bln=1e9 "
    "lakh=1e5 crore=1e7",
    "de": "hundert=100 tausend=1e3 million=1e6 millionen=1e6 milliarde=1e9 "
    "milliarden=1e9 billion=1e12 billionen=1e12 "
    "mio=1e6 mrd=1e9 dutzend=12",
    "fr": "cent=100 cents=100 mille=1e3 million=1e6 millions=1e6 milliard=1e9 "
    "milliards=1e9 billion=1e12 billions=1e12 "
    "mio=1e6 md=1e9 mds=1e9 douzaine=12",
    "es": "cien=100 mil=1e3 millon=1e6 millones=1e6 billon=1e12 billones=1e12 docena=12 mm=1e6",
}
_SUFFIXES = {"k": 1e3, "m": 1e6, "mn": 1e6, "bn": 1e9, "b": 1e9, "tn": 1e12}  # written right after the digits
_VAGUE = {
    "en": "dozens=12 scores=20 hundreds=100 thousands=1e3 millions=1e6 billions=1e9 trillions=1e12",
    "de": "dutzende=12 hunderte=100 tausende=1e3",
    "fr": "dizaines=10 douzaines=12 centaines=100 milliers=1e3",
    "es": "docenas=12 decenas=10 cientos=100 centenares=100 miles=1e3",
}
_ORDINALS = {
    "en": "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth",
    "de": "dritte vierte funfte sechste siebte achte neunte zehnte elfte zwolfte",
    "fr": "troisieme quatrieme cinquieme sixieme septieme huitieme neuvieme dixieme onzieme douzieme",
    "es": "tercero cuarto quinto sexto septimo octavo noveno decimo",
}
_FRACTIONS = {
    "en": "half=2 halves=2 third=3 thirds=3 quarter=4 quarters=4 fourth=4 "
    "fourths=4 fifth=5 fifths=5 sixth=6 sixths=6 "
    "eighth=8 eighths=8 tenth=10 tenths=10",
    "de": "halfte=2 halb=2 halbe=2 halben=2 drittel=3 viertel=4 funftel=5 sechstel=6 achtel=8 zehntel=10",
    "fr": "moitie=2 demi=2 demie=2 tiers=3 quart=4 quarts=4 cinquiemes=5 dixiemes=10",
    "es": "mitad=2 medio=2 media=2 tercio=3 tercios=3 cuartos=4 quintos=5 decimos=10",
}
_UNITS = """
percent=% percentage=% pct=% pc=% prozent=% prozentpunkte=% pourcent=% porciento=% dollar=dollar
dollars=dollar usd=dollar bucks=dollar dolar=dollar dolares=dollar euro=euro euros=euro eur=euro
pound=pound pounds=pound gbp=pound sterling=pound pfund=pound libras=pound yen=yen jpy=yen yuan=yuan
renminbi=yuan rmb=yuan cny=yuan ruble=ruble rubles=ruble rouble=ruble roubles=ruble rupee=rupee
rupees=rupee won=won franc=franc francs=franc franken=franc chf=franc peso=peso pesos=peso cents=cent
second=second seconds=second sec=second secs=second sekunde=second sekunden=second seconde=second
secondes=second segundo=second segundos=second minute=minute minutes=minute min=minute mins=minute
minuten=minute minuto=minute minutos=minute hour=hour hours=hour hr=hour hrs=hour stunde=hour
stunden=hour heure=hour heures=hour hora=hour horas=hour day=day days=day tag=day tage=day tagen=day
jour=day jours=day dia=day dias=day week=week weeks=week woche=week wochen=week semaine=week
semaines=week semana=week semanas=week month=month months=month monat=month monate=month monaten=month
mois=month mes=month meses=month year=year years=year yr=year yrs=year jahr=year jahre=year jahren=year
annee=year annees=year ans=year an=year ano=year anos=year decade=decade decades=decade jahrzehnt=decade
jahrzehnte=decade decennie=decade decennies=decade decada=decade decadas=decade century=century
centuries=century jahrhundert=century siecle=century siecles=century siglo=century siglos=century
mile=mile miles=mile meile=mile meilen=mile milla=mile millas=mile km=km kms=km kilometer=km
kilometers=km kilometre=km kilometres=km kilometern=km kilometro=km kilometros=km meter=meter
meters=meter metre=meter metres=meter metro=meter metros=meter foot=foot feet=foot ft=foot inch=inch
inches=inch yard=yard yards=yard cm=cm mm=mm acre=acre acres=acre hectare=hectare hectares=hectare
hektar=hectare kg=kg kilogram=kg kilograms=kg kilo=kg kilos=kg kilogramm=kg gram=gram grams=gram
gramm=gram ton=ton tons=ton tonne=ton tonnes=ton tonnen=ton toneladas=ton ounce=ounce ounces=ounce
degree=degree degrees=degree grad=degree degres=degree grados=degree mph=mph kph=kph barrel=barrel
barrels=barrel gallon=gallon gallons=gallon liter=liter liters=liter litre=liter litres=liter watt=watt
watts=watt megawatt=mw megawatts=mw mw=mw gigawatt=gw gigawatts=gw gw=gw
"""
_UNIT_ONLY_IN = {
    "an": "fr",
    "ans": "fr",
    "mes": "es",
    "won": "",
    "min": "",
    "mm": "",
    "pc": "en",
    "ano": "es",
}
SYMBOLS = {
    "%": "%", "％": "%", "٪": "%", "$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee",
    "₩": "won",
    "₽": "ruble",
}  # fmt: skip
CJK_MAGNITUDES = {"千": 1e3, "万": 1e4, "萬": 1e4, "億": 1e8, "亿": 1e8, "兆": 1e12}
CJK_UNITS = {"円": "yen", "元": "yuan", "人": "人", "歳": "year", "時": "hour", "割": "割"}

_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar marz april mai juni juli august september oktober november dezember",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_MONTH_FORMS = {
    "en": "jan=1 feb=2 mar=3 apr=4 jun=6 jul=7 aug=8 sep=9 sept=9 oct=10 nov=11 dec=12",
    "de": "janner=1 jan=1 feb=2 apr=4 aug=8 sept=9 sep=9 okt=10 nov=11 dez=12",
    "fr": "janv=1 fevr=2 avr=4 juil=7 oct=10 nov=11 dec=12",  # "sept" is seven
    "es": "ene=1 feb=2 abr=4 ago=8 sept=9 setiembre=9 oct=10 nov=11 dic=12",
}
_WEEKDAYS = {
    "en": "monday tuesday wednesday thursday friday saturday sunday",
    "de": "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miercoles jueves viernes sabado domingo",
}
_WEEKDAY_FORMS = {
    "en": "mon=0 tue=1 tues=1 wed=2 thu=3 thur=3 thurs=3 fri=4 sat=5 sun=6 mondays=0 tuesdays=1 wednesdays=2 "
    "thursdays=3 fridays=4 saturdays=5 sundays=6",
    "de": "sonnabend=5",
    "fr": "",
    "es": "",
}
_RELATIVE_DAYS = {
    "en": "yesterday today tomorrow tonight",
    "de": "gestern heute morgen",
    "fr": "hier aujourd'hui demain",
    "es": "ayer hoy manana",
}
_DIRECTIONS = {
    "en": "last=-1 past=-1 previous=-1 this=0 current=0 next=1 coming=1",
    "de": "letzte=-1 letzten=-1 letzter=-1 letztes=-1 vergangene=-1 vergangenen=-1 diese=0 diesen=0 dieser=0 "
    "dieses=0 nachste=1 nachsten=1 nachster=1 nachstes=1 kommende=1 kommenden=1",
    "fr": "",
    "es": "pasado=-1 pasada=-1 proximo=1 proxima=1",
}
_DOT_LANGUAGES = frozenset(["en", "ja", "zh", "ko", "he", "th", "hi"])
PERIODS = frozenset(["day", "week", "month", "year", "decade", "century"])
_SEASONS = {"en": "weekend spring summer fall autumn winter", "de": "wochenende", "fr": "", "es": ""}
# What a rounded number is to the exact one: near it (0), below it (1) or above it (-1).
_HEDGES = {
    "en": "about=0 around=0 roughly=0 approximately=0 some=0 nearly=-1 almost=-1 under=-1 below=-1 over=1 "
    "least=1 exceeding=1 topped=1 topping=1",
    "de": "rund=0 etwa=0 circa=0 ca=0 ungefahr=0 fast=-1 knapp=-1 unter=-1 uber=1 mindestens=1",
    "fr": "environ=0 quelque=0 pres=-1 presque=-1",
    "es": "unos=0 unas=0 cerca=-1 aproximadamente=0 casi=-1",
}
# Two words that hedge, by the second; for one not listed, as "of" behind "millions", there is no hedge.
_HEDGE_PAIRS = {
    "en": "more-than=1 greater-than=1 higher-than=1 longer-than=1 larger-than=1 less-than=-1 fewer-than=-1 "
    "lower-than=-1 shorter-than=-1 close-to=-1 up-to=-1 upwards-of=1 north-of=1",
    "de": "mehr-als=1 weniger-als=-1 bis-zu=-1",
    "fr": "plus-de=1 moins-de=-1 pres-de=-1",
    "es": "mas-de=1 menos-de=-1 cerca-de=-1",
}
_CONNECTORS = {"en": "and", "de": "und", "fr": "et", "es": "y"}
_RANGE = {"en": "to and or", "de": "bis und oder", "fr": "a et ou", "es": "a y o"}
_RATIO = {"en": "in", "de": "von", "fr": "sur", "es": ""}
MONEY = frozenset(
    ["dollar", "euro", "pound", "yen", "franc", "rupee", "yuan", "ruble", "krona", "crown", "peso", "won"]
)
RESPECTIVELY = frozenset(["respectively", "beziehungsweise", "respectivement", "respectivamente"])
_INDEFINITE = {"en": "a an", "de": "ein eine einen einer", "fr": "un une", "es": "un una"}


def _pairs(text: str) -> dict[str, float]:
    return {name: float(value) for name, _, value in (item.partition("=") for item in text.split())}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The vocabulary of one language; every mapping is from a folded word."""

    language: str
    numbers: dict[str, int] = field(default_factory=dict)
    magnitudes: dict[str, float] = field(default_factory=dict)
    suffixes: dict[str, float] = field(default_factory=dict)
    vague: dict[str, float] = field(default_factory=dict)
    ordinals: dict[str, int] = field(default_factory=dict)
    fractions: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    months: dict[str, int] = field(default_factory=dict)
    weekdays: dict[str, int] = field(default_factory=dict)
    relative_days: dict[str, int] = field(default_factory=dict)
    directions: dict[str, float] = field(default_factory=dict)
    seasons: frozenset[str] = frozenset()
    hedges: dict[str, float] = field(default_factory=dict)
    hedge_pairs: dict[str, float] = field(default_factory=dict)
    connectors: frozenset[str] = frozenset()
    range_words: frozenset[str] = frozenset()
    ratio_words: frozenset[str] = frozenset()
    indefinite: frozenset[str] = frozenset()
    decimal_comma: bool = False
    number_start: frozenset[str] = frozenset()
    date_start: frozenset[str] = frozenset()


def _numbers(code: str) -> dict[str, int]:
    numbers = {word: value for value, word in enumerate(_CARDINALS[code].split())}
    numbers |= {word: 20 + 10 * n for n, word in enumerate(_TENS[code].split())}
    numbers |= _MORE_NUMBERS[code]
    if code == "de":
        units = _CARDINALS["de"].split()[1:10]
        numbers |= {
            f"{unit}und{ten}": 20 + 10 * n + 1 + u
            for n, ten in enumerate(_TENS["de"].split())
            for u, unit in enumerate(units)
        }
        below = {"": 0, **numbers}
        numbers |= {
            f"{unit}hundert{rest}": 100 * n + value
            for n, unit in enumerate(["ein", *units[1:]], 1)
            for rest, value in below.items()
        }
        numbers |= {f"hundert{rest}": 100 + value for rest, value in below.items() if rest}
        numbers |= {f"{word}tausend": 1000 * value for word, value in numbers.items() if value}
    return numbers


def _units(code: str) -> dict[str, str]:
    found = dict(item.split("=") for item in _UNITS.split())
    return {word: unit for word, unit in found.items() if _UNIT_ONLY_IN.get(word, code) == code}


def _ranked(words: str, first: int) -> dict[str, int]:
    return {word: n for n, word in enumerate(words.split(), first)}


def _whole(pairs: str) -> dict[str, int]:
    return {word: int(value) for word, value in _pairs(pairs).items()}


def _ordinals(code: str) -> dict[str, int]:
    ordinals = _ranked(_ORDINALS[code], 3)
    if code == "de":
        ordinals |= {word + end: value for word, value in list(ordinals.items()) for end in "nrs"}
    return ordinals


@lru_cache(maxsize=8)
def _of(code: str) -> Vocabulary:
    if code not in _CARDINALS:
        return Vocabulary(
            code, suffixes=_SUFFIXES, units=_units(""), decimal_comma=code not in _DOT_LANGUAGES
        )
    found = Vocabulary(
        language=code,
        numbers=_numbers(code),
        magnitudes=_pairs(_MAGNITUDES[code]),
        suffixes=_SUFFIXES,
        vague=_pairs(_VAGUE[code]),
        ordinals=_ordinals(code),
        fractions=_pairs(_FRACTIONS[code]),
        units=_units(code),
        months=_ranked(_MONTHS[code], 1) | _whole(_MONTH_FORMS[code]),
        weekdays=_ranked(_WEEKDAYS[code], 0) | _whole(_WEEKDAY_FORMS[code]),
        relative_days=_ranked(_RELATIVE_DAYS[code], -1),
        directions=_pairs(_DIRECTIONS[code]),
        seasons=frozenset(_SEASONS[code].split()),
        hedges=_pairs(_HEDGES[code]),
        hedge_pairs=_pairs(_HEDGE_PAIRS[code]),
        connectors=frozenset([_CONNECTORS[code]]),
        range_words=frozenset(_RANGE[code].split()),
        ratio_words=frozenset(_RATIO[code].split()),
        indefinite=frozenset(_INDEFINITE[code].split()),
        decimal_comma=code != "en",
    )
    figures: list[Mapping[str, float]] = [
        found.numbers,
        found.magnitudes,
        found.fractions,
        found.vague,
        found.ordinals,
    ]
    dates: list[Mapping[str, float]] = [found.months, found.weekdays, found.relative_days, found.directions]
    return replace(found, number_start=frozenset(chain(*figures)), date_start=frozenset(chain(*dates)))


def vocabulary_of(language: str) -> Vocabulary:
    """The vocabulary for a BCP 47 tag; English where the language is unknown (`und`)."""
    code = language.partition("-")[0].lower()
    return _of("en" if code in ("und", "") else code)


NUMBER, DATE, NAME = 1, 2, 4


@lru_cache(maxsize=1 << 15)
def roles_of(form: str, language: str) -> int:
    """What may begin with a word: the sum of `NUMBER`, `DATE` and `NAME`, or 0."""
    if form[0].isdecimal():
        return NUMBER | DATE
    vocabulary, word = vocabulary_of(language), fold(form)
    role = NAME if form[0].isupper() and form.partition("'")[0].partition("’")[0] != "I" else 0
    if form[-1] in "'’":
        return 0
    if (
        word in vocabulary.number_start
        or word in vocabulary.indefinite
        or (len(form) == 1 and form.isnumeric())
    ):
        role |= NUMBER
    if word in vocabulary.date_start:
        role |= DATE
    return role
