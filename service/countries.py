"""Names of countries and their people in English, German, French and Spanish.

One line a country; a form of several words is written with hyphens. Forms are folded, but for those in
capitals, which stand for an abbreviation (`US` is a country, `us` is not).
"""

from __future__ import annotations

from functools import lru_cache

_COUNTRIES = """
US U.S USA U.S.A united-states united-states-of-america america american americans vereinigte-staaten
    amerika amerikanisch amerikanische amerikanischen amerikaner etats-unis amerique americain americaine
    americains americaines estados-unidos estadounidense estadounidenses EEUU
UK U.K GB united-kingdom britain great-britain british briton britons britisch britische britischen
    grossbritannien royaume-uni grande-bretagne britannique britanniques reino-unido gran-bretana
    britanico britanica britanicos
england english engländer englische anglais anglaise ingles inglaterra
scotland scottish scots schottland ecosse escocia
wales welsh
ireland irish irland irlande irlanda
EU E.U european-union europaische-union europaischen-union UE union-europeenne union-europea
europe european europeans europa europaische europaischen europeen europeenne europeo europea
UN U.N united-nations vereinte-nationen vereinten-nationen nations-unies naciones-unidas ONU
china chinese sino chinesisch chinesische chinesischen chine chinois chinoise chino china PRC
taiwan taiwanese
japan japanese japanisch japanische japanischen japon japonais japonaise japones japonesa
south-korea south-korean south-koreans sudkorea coree-du-sud corea-del-sur
north-korea north-korean north-koreans DPRK nordkorea coree-du-nord corea-del-norte
russia russian russians russland russisch russische russischen russie russe russes rusia ruso rusa rusos
ukraine ukrainian ukrainians ukrainisch ukrainische ukrainischen ukrainien ukrainienne ucrania ucraniano
    ucraniana
germany german germans deutschland deutsch deutsche deutschen deutscher allemagne allemand allemande
    allemands alemania aleman alemana alemanes
france french frankreich franzosisch franzosische franzosischen francais francaise francia frances
    francesa
spain spanish spaniard spaniards spanien spanisch spanische espagne espagnol espagnole espana espanol
    espanola
italy italian italians italien italienisch italienische italie italienne italia italiano italiana
portugal portuguese portugiesisch portugais portugues
greece greek greeks griechenland griechisch griechische grece grec grecque grecia griego
turkey turkish turk turks turkiye turkei turkisch turkische turquie turc turque turquia turco turca
poland polish pole poles polen polnisch polnische pologne polonais polonia polaco
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
israel israeli israelis israelisch israelische israelien israelienne
palestine palestinian palestinians palastina palastinenser palestinien palestino
iran iranian iranians iranisch iranische iranien irani
iraq iraqi iraqis irak irakisch irakische irakien iraki
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
africa african africans afrika afrique
asia asian asians asien asie
"""


def _lines() -> list[str]:
    return _COUNTRIES.replace("\n    ", " ").strip().splitlines()


@lru_cache(maxsize=1)
def country_forms() -> dict[str, str]:
    """Every form of one word: itself -> the country's id, such as `@us`."""
    return {
        form: "@" + line.split()[0].lower() for line in _lines() for form in line.split() if "-" not in form
    }


@lru_cache(maxsize=1)
def country_phrases() -> dict[tuple[str, ...], str]:
    """Every form of several words, as folded words -> the country's id."""
    return {
        tuple(form.split("-")): "@" + line.split()[0].lower()
        for line in _lines()
        for form in line.split()
        if "-" in form
    }
