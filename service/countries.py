"""Names of countries and their people in English, German, French and Spanish, of U.S. states, and of parties.

One line each; a form of several words is written with hyphens. Forms are folded, but for those in capitals,
which stand for an abbreviation (`US` is a country, `us` is not). An id is `@us` for a country, `@us.texas`
for a state, `@party.republican` for a party.
"""

from __future__ import annotations

from functools import lru_cache

_COUNTRIES = """
US U.S USA U.S.A united-states united-states-of-america america american americans vereinigte-staaten
    vereinigten-staaten amerika amerikanisch amerikaner etats-unis amerique americain americaine
    americains americaines estados-unidos
    estadounidense estadounidenses EEUU
UK U.K GB united-kingdom britain great-britain british briton britons britisch
    grossbritannien royaume-uni grande-bretagne britannique britanniques reino-unido gran-bretana
    britanico britanica britanicos
england english engländer englische anglais anglaise ingles inglaterra
scotland scottish scots schottland ecosse escocia
wales welsh
ireland irish irland irlande irlanda
EU E.U european-union europaische-union europaischen-union UE union-europeenne union-europea
europe european europeans europa europaische europaischen europeen europeenne europeo europea
UN U.N united-nations vereinte-nationen vereinten-nationen nations-unies naciones-unidas ONU
china chinese sino chinesisch chine chinois chinoise chino china PRC
taiwan taiwanese
japan japanese japanisch japon japonais japonaise japones japonesa
south-korea south-korean south-koreans sudkorea coree-du-sud corea-del-sur
north-korea north-korean north-koreans DPRK nordkorea coree-du-nord corea-del-norte
russia russian russians russland russisch russie russe russes rusia ruso rusa rusos
ukraine ukrainian ukrainians ukrainisch ukrainien ukrainienne ucrania ucraniano
    ucraniana
germany german germans deutschland deutsch deutsche deutschen deutscher allemagne allemand allemande
    allemands alemania aleman alemana alemanes
france french frankreich franzosisch francais francaise francia frances
    francesa
spain spanish spaniard spaniards spanien spanisch espagne espagnol espagnole espana espanol
    espanola
italy italian italians italien italienisch italie italienne italia italiano italiana
portugal portuguese portugiesisch portugais portugues
greece greek greeks griechenland griechisch grece grec grecque grecia griego
turkey turkish turk turks turkiye turkei turkisch turquie turc turque turquia turco turca
poland polish pole poles polen polnisch pologne polonais polonia polaco
hungary hungarian hungarians ungarn hongrie hungria
austria austrian austrians osterreich osterreichisch autriche
switzerland swiss schweiz suisse suiza
netherlands dutch holland niederlande pays-bas paises-bajos
belgium belgian belgians belgien belgique belgica
sweden swedish swede swedes schweden suede suecia
norway norwegian norwegians norwegen norvege noruega
denmark danish dane danes danemark dinamarca
finland finnish finn finns finnland finlande finlandia
iceland icelandic icelanders island islande islandia
czech-republic czech czechs czechia tschechien
slovakia slovak slovaks slowakei
romania romanian romanians rumanien roumanie rumania
bulgaria bulgarian bulgarians bulgarien
serbia serbian serbs serbien serbie
croatia croatian croats kroatien
bosnia bosnian bosnians bosnien
kosovo kosovar kosovars
albania albanian albanians albanien
belarus belarusian belarusians weissrussland
georgia georgian georgians
estonia estonian estonians
latvia latvian latvians
lithuania lithuanian lithuanians
israel israeli israelis israelisch israelien israelienne
palestine palestinian palestinians palastina palastinenser palestinien palestino
iran iranian iranians iranisch iranien irani
iraq iraqi iraqis irak irakisch irakien iraki
syria syrian syrians syrien syrie syrienne siria sirio
lebanon lebanese libanon liban libano
jordan jordanian jordanians jordanien jordanie jordania
egypt egyptian egyptians agypten egypte egipto
saudi-arabia saudi-arabian saudi saudis saudi-arabien arabie-saoudite arabia-saudita KSA
yemen yemeni yemenis jemen
qatar qatari qataris katar
UAE U.A.E united-arab-emirates emirati emiratis
kuwait kuwaiti kuwaitis
afghanistan afghan afghans afghanisch
pakistan pakistani pakistanis
india indian indians indien inde indienne
bangladesh bangladeshi bangladeshis
nepal nepalese nepali
sri-lanka sri-lankan sri-lankans
myanmar burma burmese
thailand thai thais
vietnam vietnamese
cambodia cambodian cambodians
malaysia malaysian malaysians
singapore singaporean singaporeans
indonesia indonesian indonesians indonesien
philippines philippine filipino filipinos philippinen
australia australian australians australien australie
new-zealand new-zealander neuseeland
canada canadian canadians kanada canadien canadienne
mexico mexican mexicans mexiko mexique mexicain mejico mexicano mexicana
brazil brazilian brazilians brasilien bresil brasil brasileno
argentina argentine argentinian argentinians argentinien
chile chilean chileans
peru peruvian peruvians
colombia colombian colombians kolumbien colombie
venezuela venezuelan venezuelans
cuba cuban cubans kuba
haiti haitian haitians
guatemala guatemalan guatemalans
honduras honduran hondurans
el-salvador salvadoran salvadorans
south-africa south-african south-africans sudafrika afrique-du-sud sudafrica
nigeria nigerian nigerians
niger nigerien nigeriens
kenya kenyan kenyans kenia
ethiopia ethiopian ethiopians athiopien ethiopie
somalia somali somalis
sudan sudanese
libya libyan libyans libyen libye
tunisia tunisian tunisians tunesien tunisie
algeria algerian algerians algerien algerie
morocco moroccan moroccans marokko maroc
ghana ghanaian ghanaians
uganda ugandan ugandans
rwanda rwandan rwandans
zimbabwe zimbabwean zimbabweans
kazakhstan kazakh kazakhs
kyrgyzstan kyrgyz kirgisistan
uzbekistan uzbek uzbeks usbekistan
turkmenistan turkmen
tajikistan tajik tajiks tadschikistan
armenia armenian armenians armenien armenisch armenier armenie
azerbaijan azerbaijani azerbaijanis aserbaidschan aserbaidschanisch azerbaidjan azerbaiyan
moldova moldovan moldovans moldau moldavie moldavia
slovenia slovenian slovenians slowenien slovenie eslovenia
montenegro montenegrin
macedonia macedonian north-macedonia mazedonien nordmazedonien
luxembourg luxembourgish luxemburg luxemburgo
malta maltese
cyprus cypriot cypriots zypern chypre chipre
mongolia mongolian mongolians mongolei mongolie
laos laotian laotians
bahrain bahraini bahrainis
oman omani omanis
bolivia bolivian bolivians bolivien bolivie
ecuador ecuadorian ecuadorians
paraguay paraguayan paraguayans
uruguay uruguayan uruguayans
nicaragua nicaraguan nicaraguans
costa-rica costa-rican costa-ricans
panama panamanian panamanians
jamaica jamaican jamaicans jamaika
dominican-republic dominican dominicans
mali malian malians
senegal senegalese
cameroon cameroonian kamerun cameroun camerun
congo congolese kongo
angola angolan angolans
mozambique mozambican mosambik
tanzania tanzanian tanzanians tansania tanzanie
zambia zambian zambians sambia
namibia namibian namibians
botswana
burundi burundian
chad chadian chadians tschad tchad
eritrea eritrean eritreans
burkina-faso
ivory-coast ivorian ivorians elfenbeinkuste
madagascar malagasy madagaskar
africa african africans afrika afrique
asia asian asians asien asie
"""

_STATES = """
alabama alabaman alabamans AL Ala
alaska alaskan alaskans AK
arizona arizonan arizonans AZ ariz
arkansas arkansan arkansans AR Ark
california californian californians kalifornien californie CA calif Cal
colorado coloradan coloradans CO colo
connecticut CT conn
delaware delawarean DE Del
columbia-district district-columbia D.C DC
florida floridian floridians FL fla
georgia-state GA ga
hawaii hawaiian hawaiians
idaho idahoan idahoans ID
illinois illinoisan IL Ill
indiana hoosier hoosiers Ind
iowa iowan iowans IA
kansas kansan kansans KS Kan
kentucky kentuckian kentuckians KY ky
louisiana louisianan louisiane La
maine mainer mainers
maryland marylander MD md
massachusetts MA Mass
michigan michigander michiganders MI mich
minnesota minnesotan minnesotans MN minn
mississippi mississippian mississippians MS Miss
missouri missourian missourians MO Mo
montana montanan montanans MT Mont
nebraska nebraskan nebraskans NE neb
nevada nevadan nevadans NV nev
new-hampshire N.H NH
new-jersey N.J NJ
new-mexico N.M NM
new-york new-yorker new-yorkers N.Y NY
north-carolina north-carolinian N.C NC
north-dakota north-dakotan N.D ND
ohio ohioan ohioans OH
oklahoma oklahoman oklahomans OK okla
oregon oregonian oregonians Ore
pennsylvania pennsylvanian pennsylvanians pennsylvanie PA Pa
rhode-island rhode-islander R.I RI
south-carolina south-carolinian S.C SC
south-dakota south-dakotan S.D SD
tennessee tennessean tennesseans TN tenn
texas texan texans TX Tex
utah utahn utahns UT
vermont vermonter vermonters VT vt
virginia virginian virginians VA va
washington-state WA Wash
west-virginia west-virginian W.Va WV
wisconsin wisconsinite wisconsinites WI wis
wyoming wyomingite WY wyo
"""
_PARTIES = """
republican republicans republikaner republikanerin republikanisch republicain republicaine republicains
    republicano republicana republicanos GOP R
democratic democrat democrats demokraten demokrat demokratin demokratisch democrate democrates democrata
    democratas D DEM Dem
"""


def _lines() -> list[tuple[str, list[str]]]:
    """Every id with its forms."""
    return [
        (f"{prefix}{forms[0].lower()}", forms)
        for prefix, text in (("@", _COUNTRIES), ("@us.", _STATES), ("@party.", _PARTIES))
        for line in text.replace("\n ", " ").strip().splitlines()
        if (forms := line.split())
    ]


def _is_abbreviation(form: str, key: str) -> bool:
    """Whether a form is an abbreviation that may be another word: Miss, Mass, R."""
    return "." in key and (form.istitle() or len(form) == 1) and "." not in form


@lru_cache(maxsize=1)
def country_forms() -> dict[str, str]:
    """Every form of one word: itself -> the id, such as `@us`."""
    found: dict[str, str] = {}
    for key, forms in _lines():
        for form in forms:
            if "-" not in form and not _is_abbreviation(form, key):
                found[form] = key
                if form.endswith("isch"):  # the German adjective's endings
                    found |= {f"{form}{ending}": key for ending in ("e", "en", "er", "es", "em")}
    return found


@lru_cache(maxsize=1)
def country_phrases() -> dict[tuple[str, ...], str]:
    """Every form of several words, as folded words -> the id."""
    return {tuple(form.split("-")): key for key, forms in _lines() for form in forms if "-" in form}


@lru_cache(maxsize=1)
def phrase_openers() -> frozenset[str]:
    """The first word of every form of several words."""
    return frozenset(phrase[0] for phrase in country_phrases())


@lru_cache(maxsize=1)
def abbreviations() -> dict[str, str]:
    """What may be a word or the short form of a state or party, as the `R` of "(R-Ky.)" -> the id."""
    return {form: key for key, forms in _lines() for form in forms if _is_abbreviation(form, key)}
