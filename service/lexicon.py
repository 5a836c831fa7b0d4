"""Words of several languages that tell speech and names from the rest. Lower case, without dots."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Verbs of saying, in the forms that attribute a quotation.
ENGLISH_VERBS = _words(
    """
said says say saying told tells telling added adds adding asked asks asking wrote writes writing noted notes
noting explained explains explaining argued argues arguing stated states stating insisted insists insisting
replied replies responded responds responding continued continues recalled recalls recalling declared
declares declaring announced announces announcing acknowledged acknowledges acknowledging admitted admits
admitting warned warns warning claimed claims claiming tweeted tweets tweeting testified testifies concluded
concludes suggested suggests quipped quips joked jokes joking called calls calling described describes
describing urged urges urging vowed vows vowing pledged pledges promised promises promising predicted
predicts observed observes remarked remarks commented comments mused muses conceded concedes countered
counters retorted retorts shouted shouts yelled cried whispered complained complains emphasized emphasizes
stressed stresses asserted asserts asserting maintained maintains contended contends alleged alleges accused
accuses boasted boasts lamented lamenting laments confirmed confirms denied denies denying cautioned
cautions reiterated reiterates exclaimed opined opines bragged agreed agrees answered answers posted posts
read reads reported reporting charged thundered hailed praised praising blasted slammed mocked referred
revealed reveals repeated repeats demanded demands dubbed labeled labelled characterized summed offered
chimed interjected thinks believes believed questioned wondered wonders ruled criticized condemned
condemning denounced denouncing thanked cited quoted quotes expressed proclaimed decried chided taunted
assured assures riffed teased intoned counseled instructed ordered pleaded begged apologized snapped ranted
gushed deadpanned implored advised advises reasoned marveled mentioned offers recounted reflected remembered
remembers signaled speculated touted volunteered began fumed groused lectured scoffed screamed sighed vented
jabbed ventured theorized guessed proposed proposes proposing recommended figured expects saw finds found
feared fears hopes hoped worried worries counselled apologised emphasised emphasises criticised crowed
chuckled laughed beamed enthused shrugged muttered texted emailed blogged messaged allowed pressed prodded
swore sang
"""
)

GERMAN_VERBS = _words(
    """
sagte sagt sagten sagen erklärte erklärt erklärten betonte betont meinte meint berichtete berichtet schrieb
schreibt fragte fragt antwortete antwortet ergänzte ergänzt fügte kritisierte kritisiert warnte warnt
forderte fordert teilte kündigte nannte nennt bezeichnete erzählte erzählt behauptete behauptet entgegnete
rief räumte versicherte verkündete unterstrich bekräftigte mahnte lobte urteilte zitierte heißt hieß
resümierte bilanzierte kommentierte spottete scherzte klagte beklagte ergänzten bestätigte bestätigt wandte
erinnerte erinnert erwiderte konterte schimpfte gestand beteuerte prophezeite stellte versprach verspricht
schilderte schildert hob freute witzelte appellierte
"""
)

FRENCH_VERBS = _words(
    """
dit disait déclare déclaré déclarait déclara affirme affirmé affirma explique expliqué expliqua expliquait
ajoute ajouté ajouta assure assuré assura estime estimé estima souligne souligné souligna précise précisé
précisa répond répondu répondit raconte raconté raconta demande demandé demanda écrit lance lancé lança
confie confié confia rappelle rappelé insiste insisté poursuit poursuivi conclut regrette regretté indique
indiqué dénonce dénoncé martèle résume juge rétorque soutient prévient murmura cria résumé jugé conclu
rétorqué soutenu prévenu martelé reconnaît reconnu observe observé note noté plaide plaidé glisse glissé
commente commenté salue salué avertit averti promet promis ironise ironisé tranche tranché nuance nuancé admet
admis avoue avoué annonce annoncé réclame réclamé relève relevé témoigne témoigné plaisante plaisanté soupire
soupiré réagit réagi renchérit s'exclame exclamé s'inquiète inquiété s'amuse amusé s'indigne indigné
"""
)

SPANISH_VERBS = _words(
    """
dijo dice dijeron afirmó afirma aseguró asegura explicó explica añadió añade agregó agrega señaló señala
declaró declara indicó indica manifestó manifiesta sostuvo sostiene comentó comenta contó cuenta respondió
responde preguntó pregunta escribió escribe advirtió advierte insistió insiste subrayó recordó recuerda
expresó apuntó destacó lamentó reconoció concluyó anunció denunció admitió confesó exclamó murmuró
sentenció zanjó matizó precisó resumió bromeó contestó replicó relató narró prometió reclamó celebró criticó
defendió reiteró aclaró argumentó opinó observó bromea resume concluye reconoce lamenta denuncia recalcó
enfatizó detalló ironizó avisó pidió
"""
)

# Polish, Russian, Portuguese, Italian, the Nordic languages, Dutch, Arabic.
OTHER_VERBS = _words(
    """
powiedział powiedziała mówi dodał dodała stwierdził stwierdziła zapytał zapytała odpowiedział odpowiedziała
zaznaczył сказал сказала сказали заявил заявила добавил добавила отметил отметила ответил ответила спросил
спросила подчеркнул подчеркнула говорит пояснил пояснила сообщил сообщила disse afirmou declarou explicou
acrescentou respondeu perguntou escreveu detto dichiarato afferma spiega aggiunto aggiunge rispose chiese sa
sade säger sagde siger sier zei zegt قال قالت وقال وقالت أضاف أضافت وأضاف وأضافت صرح صرحت وصرح أكد أكدت وأكد
أوضح أوضحت وأوضح
"""
)

VERBS = ENGLISH_VERBS | GERMAN_VERBS | FRENCH_VERBS | SPANISH_VERBS | OTHER_VERBS
PARTICIPLES = frozenset(w for w in ENGLISH_VERBS if w.endswith("ing"))

# "According to", in one word.
ACCORDING = _words(
    """
segundo according laut selon según zufolge d'après d’après
"""
)

HE = _words(
    """
er he il lui él
"""
)
SHE = _words(
    """
ella elle she
"""
)
THEY = _words(
    """
ellas elles ellos es ils it sie they
"""
)
PRONOUNS = HE | SHE | THEY
# May stand between a subject and its verb.
AUXILIARIES = _words(
    """
a again also always auch aussi avait dann did even further ha habe haben había had has hat hatte have just
later never not now often once ont recently repeatedly reportedly simply still t then weiter will would
"""
)
DETERMINERS = _words(
    """
das der die el her his its l la las le los my our that the their this
"""
)
INDEFINITE = _words(
    """
a an another any des ein eine few many most one several some un una une unos
"""
)
PREPOSITIONS = _words(
    """
about against among around at aus avec bei between by chez con contra contre dans de del des du en for für
gegen in into mit nach near of on over para por pour sobre sur than through to toward towards via von with
zu über from under like during unlike
"""
)
# Capitalized at the start of a sentence or for other reasons, and never the start of a name.
COMMON = _words(
    """
d'après d’après c'est c’est d'abord d’abord d'ici d’ici l'an l’an qu'il qu’il j'ai j’ai n'est n’est
segundo secondo a aber about above abril abstract according across added adding additionally advertisement
after again against al all along already als also although always am among an analysts and another any
anything août apr april après are around as asked asks at auch auf aug august aus authorities avant avec
avril be because been before behind bei being below beneath beside besides between beyond both but by can
car ce ces cet cette chez citing click como con contributing correction could critics cuando da dann dans
das de dec december del dem den denn depuis der des desde despite dezember diciembre did die dienstag dies
diese dieser dieses dimanche do doch doctors does doesn't domingo don't donc donde done donnerstag dont down
dozens du durch during décembre each earlier economists editor's eight ein eine einem einen einer either el
ella ellas elle elles ellos en enero entre er es esa ese esta estas este estos et even ever every everybody
everyone experts feb febrero februar february few finally first five follow for four freitag fri friday from
full furthermore février für gegen gestern had has hasta have having he he's her here here's heute him his
how however hundreds i i'm i've ich if ihr ihre il ils im image in including indeed instead into
investigators is isn't it it's its januar january janvier je jeudi journalists jueves juillet juin jul juli
julio july jun june juni junio just la las last later laut lawmakers lawyers le les less let let's leur
leurs like likewise lo los lundi lunes mai mais many mar march mardi mars martes marzo may maybe mayo
meanwhile mercredi might millions mit mittwoch miércoles mon monday montag more moreover morgen most much
must my märz nach near neither never nevertheless next ni nicht nine no nobody noch nor nosotros not note
nothing nous nov november novembre noviembre now nur o oct october octobre octubre oder of off officers
officials ohne oktober on once one only onto opponents or other others otherwise ou our out over où par
pendant people perhaps pero photo police porque pour prosecutors protesters que qui quien quite quoi rather
read referring regarding related reporters researchers residents sa said samedi samstag sans sat saturday
says schon scientists second see según sein seine seit selon sep sept september septembre septiembre ses
seven several shall she she's should sie similarly sin since six so sobre some somebody someone something
son sonntag sous speaking still su such sun sunday supporters sur sus sábado ten text than that that's the
their them then there there's these they they're third this those though thousands three through throughout
thu thursday thus till to today told tomorrow tonight too toward towards tue tuesday two tú um un una unas
und under une unlike unos unter until up updated upon us usted vendredi vers very via video viernes vom von
vor voters vous was watch we we're wed wednesday well wenn wer were what what's when where whether which
while who whom whose why wie will wir with within without witnesses wo would während y yes yesterday yet yo
you you're your zum zur zwischen über republicans democrats americans europeans conservatives liberals
photos getty former late billionaire millionaire incumbent presumptive fellow longtime veteran retired acting
"""
)
# Titles and offices: stand before a name and are not part of it.
ROLES = _words(
    """
activist actor actress adm admiral adviser advisor aide alcalde alcaldesa ambassador analyst archbishop
attorney atty author bishop brother bundeskanzler candidate capt captain cardinal ceo cfo chair chairman
chairperson chairwoman chancellor chief cmdr coach col colonel commander commissioner congressman
congresswoman conservative coo councilman councilwoman counsel dame democrat democratic deputy detective
director director-general doctor don doña dr député députée economist editor father frau gen general gov
governor herr hon imam independent judge justice kanzler lady lawyer leader liberal libertarian lieutenant
lord lt madame maire maj major manager mayor minister ministra ministre ministro miss mlle mme monsieur mr
mrs ms mx nominee officer pollster premier première president presidenta presidente prof professor
prosecutor präsident präsidentin président présidente rabbi rep reporter representative reps republican rev
reverend secretary sen senator senators sens sergeant señor señora sgt sheriff sir sister speaker spokesman
spokesperson spokeswoman sr sra strategist treasurer vice-president writer host anchor columnist
correspondent producer chef founder co-founder whip executive vice-chairman undersecretary supervisor anwalt
supreme kapitän kapitänin trainer
"""
)
# Nouns for persons that are no offices.
PERSONS = _words(
    """
man woman resident voter native lawmaker businessman businesswoman mogul teacher student veteran singer farmer
teenager girl boy couple family lady lawmakers voters residents officials police authorities
"""
)

# One who has such a role may be called "the Utah Republican"; that is no name.
PARTIES = _words("conservative democrat democratic independent liberal libertarian republican")
MALE_ROLES = _words(
    """
actor brother chairman congressman councilman don father herr lord monsieur mr señor sir spokesman sr
"""
)
FEMALE_ROLES = _words(
    """
actress chairwoman congresswoman councilwoman dame doña frau lady madame miss mlle mme mrs ms señora sister
spokeswoman sra
"""
)
# Frequent first names, only to fit "he" and "she" to a name.
MALE_NAMES = _words(
    """
james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony
mark donald steven steve paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey
jeff ryan jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin ben samuel gregory
frank alexander raymond patrick jack dennis jerry tyler aaron jose adam nathan henry peter zachary kyle
walter harry jeremy ethan carl keith roger mike bill bob jim joe tom tim ted chris dan dave hans klaus
jürgen jörg alois hans-peter karl josef heinz dieter günter matthias martin tobias jonas lukas felix simon
stefan wolfgang olaf friedrich markus uwe jean pierre michel jacques françois luc louis nicolas laurent
philippe carlos juan luis jorge pedro miguel antonio josé manuel javier francisco diego pablo piotr tomasz
andrzej ivan sergej dmitri oleg ahmed mohammed muhammad ali omar hassan kenji hiroshi takashi adrian alan
albert alejandro alexandre alfred allen alvin andre andrei andres andy anton archie arnold arthur barack
barry bart bernard bernie bert boris brad bradley brendan brent brett bruce bryan byron calvin cameron carlo
cesar chad chester clarence clifford clint clinton colin connor corey craig curtis cyrus dale damian danny
darren darryl dean derek desmond dominic don doug douglas duncan dustin dwight earl ed eddie edgar eduardo
edwin eli elias elijah elliot emil emilio emmanuel enrique ernest ernesto eugene evan felipe fernando floyd
franklin fred frederick gabriel gavin gene geoffrey gerald gerard gilbert glen glenn gordon graham grant
greg guillermo gustavo guy harold harvey hector herbert herman howard hubert hugh hugo ian igor isaac ismail
ivo jake jamal jared jay jeb jerome jesse jimmy joel john-paul johnny jon jonah jordan julian julio karim
keir kirk kurt lance lawrence lee leo leon leonard leroy lewis lionel lloyd lorenzo lou luca luther malcolm
manny marc marcel marco marcus mario marshall marvin mateo maurice max melvin mikhail milton mitch mitchell
mohamed morris moses ned neil nelson nick nigel noah norman oliver oscar otto owen pascal patrice perry phil
philip phillip preston rafael ralph ramon randall randy raul ray reginald ricardo rick ricky rob robbie rod
roderick rodney rodrigo roland roman ron ross roy rudy russell salvador sam sean sebastian sergei sergio
seth shane shaun sidney spencer stan stanley stuart sven sylvester tariq terrence terry theodore todd tomas
tony travis trevor troy vernon victor vincent vladimir wade walt warren wayne wesley wilfred will willie
xavier yusuf zach
"""
)
FEMALE_NAMES = _words(
    """
mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty margaret sandra
ashley kimberly emily donna michelle carol amanda dorothy melissa deborah debbie stephanie rebecca sharon
laura cynthia kathleen amy angela shirley anna brenda pamela emma nicole helen samantha katherine christine
debra rachel carolyn janet catherine maria heather diane ruth julie olivia joyce virginia sally jane jill
kate katie ann anne alice megan elena ursula sabine petra monika claudia marie sophie camille claire
isabelle nathalie valérie brigitte carmen ana lucía isabel pilar marta rosa katarzyna agnieszka olga natalia
irina fatima aisha leila yuki keiko abigail alexandra alexis alison allison alyssa andrea angelina anita
annie april audrey beatrice bernadette beth bethany betsy beverly bonnie brooke caitlin caroline cassandra
cecilia charlene charlotte chelsea cheryl chloe christina cindy clara colleen connie courtney crystal daisy
danielle daphne deb denise diana dolores doris edith eileen eleanor elise ella ellen eloise erica erika erin
esther ethel eva eve evelyn fiona florence frances gabriela gail georgia gina gladys glenda gloria grace
greta gwen hailey hannah hazel heidi hillary holly ida imani ines ingrid irene iris isabella jackie
jacqueline jamie janice jasmine jeanne jeanette jenna jenny joan joanna jodi josephine joy juanita judith
judy juliet kara kathy katrina kayla kelly kendra kimberley kirsten kristen kristin lauren leah lena leslie
lillian lily lois loretta lori lorraine louise lucia lucille lucy luisa lydia lynn mabel madison mae marcia
margot marian marilyn marina marion marjorie martha maureen maya melanie melinda mercedes meredith mia
michaela mildred mimi miranda molly mona nadia nadine naomi nina nora norma olive paige patsy paula pauline
peggy penelope phyllis priya rhonda roberta robin rosemary roxanne ruby sabrina samira selena shannon sheila
shelby sherry sienna silvia simone sonia stacy stella sue suzanne sylvia tamara tanya tara teresa theresa
tiffany tina tracy trudy valerie vanessa vera veronica vicki victoria violet vivian wanda wendy whitney
yolanda yvonne zoe maggie liz jen becky cathy trish sophia amelia
"""
)
ADVERBS = _words(
    """
also then later again once even now just recently further a t hat habe hatte auch dann weiter ha había ont
avait aussi simply weiterhin
"""
)
PHRASAL = _words("shot fired hit went pushed punched snapped")
PHRASAL_PARTICLES = _words("back on")
COORDINATORS = _words("and but und aber et mais y pero")
RELATIVE = _words("who that which qui quien")
TIME_WORDS = _words(
    """
on last this week month year night morning afternoon evening early late monday tuesday wednesday thursday
friday saturday sunday yesterday today recently in a an the news twitter facebook statement interview
conference
"""
)
REPORTING = _words("that dass que")
IN_THE_EYES_OF = _words("for pour für para")
REPORTS = _words("report study analysis account survey article investigation paper poll review audit")
# What speaks for itself ("Ruiz's office"), and what speaks for its owner ("Ruiz's letter").
INSTITUTIONS = _words("office campaign administration team department ministry government staff board")
WRITINGS = _words(
    "email letter statement tweet book post memoir speech website memo note message filing essay column"
)
# "The company said" means an organization; the others speak for whoever speaks already, or for nobody named.
COLLECTIVE = _words(
    """
company group organization organisation agency department newspaper paper magazine campaign ministry firm
union university bank association committee foundation network court unternehmen verband ministerium
entreprise empresa
"""
)
SPOKES = _words(
    "spokesman spokeswoman spokesperson representative sprecher sprecherin porte-parole portavoz official"
)
ROLE_ENDINGS = tuple(
    _words(
        """
minister ministerin präsident präsidentin kanzler kanzlerin sprecher sprecherin chef chefin meister
meisterin vorsitzende vorsitzender leiter leiterin forscher forscherin experte expertin direktor direktorin
trainer trainerin politiker politikerin anwalt anwältin richter richterin führer führerin wirtin lehrer
lehrerin inhaber inhaberin besitzer besitzerin sekretär sekretärin ärztin beraterin händlerin
"""
    )
)
OFFICES = {
    "sen": "senator",
    "rep": "representative",
    "gov": "governor",
    "gen": "general",
    "prof": "professor",
    "dr": "doctor",
    "sgt": "sergeant",
    "col": "colonel",
    "capt": "captain",
}
# Written small in a headline in which every other word is capitalized.
HEADLINE_SMALL = _words(
    """
a an and are as at but by for from if in into is it its nor not of off on or over per than the to up via vs
vs. with
"""
)
# Between a preposition and the place that it belongs to.
WHEREABOUTS = _words(
    """
northern southern eastern western northeastern northwestern southeastern southwestern central nearby
neighboring neighbouring downtown rural
"""
)
QUANTITIES = _words("most many some several few others another one")
# Ends the head of a noun phrase: "the mayor | of Brill".
OF = _words("of for from at in with to de du des la l d von der für al del y who qui que die das")
# A name with one of these is that of an organization.
ORGANIZATION = _words(
    """
state academy administration ag agency airlines alliance army assembly assemblée association authority banco
bank behörde board bundesregierung bundestag bureau campaign caucus center centre chamber church club co
coalition college commission committee company congress conseil consejo corp corporation council court daily
department federation forum foundation fund gazette gericht gmbh gobierno gouvernement government group
guardian herald hospital house inc industries institut institute institution journal league llc ltd magazine
media ministerio ministerium ministry ministère museum nations navy network news office organisation
organization pac parliament partei parti partido partners party plc police polizei post press radio report
school senate service services society states systems team technologies television times tribune tv union
universidad university universität université verband watch motors electric mills initiative trust project
action america international headquarters crossroads street exchange
"""
)
# Words of languages that print dialogue with dashes, and of those that do not.
DIALOGUE_HABIT = _words(
    """
que est les des une dans pas vous je il qui el los las una por para con no se lo y nie się jest na że w do
não uma você che di non per и в не на что я он она это
"""
)
NO_DIALOGUE_HABIT = _words("the and of is was der die und das ist nicht mit den von")

_WORD = re.compile(r"[^\W\d_]+")
_PHRASAL = re.compile(rf"\b(?:{'|'.join(sorted(PHRASAL))}) (?:{'|'.join(sorted(PHRASAL_PARTICLES))})\b")
_JAPANESE_SAYING = re.compile("述べ|語っ|話し|話す|説明し|強調し|と言")


def has_saying(text: str) -> bool:
    """Whether a verb of saying stands in `text`."""
    return (
        not VERBS.isdisjoint(_WORD.findall(text.lower()))
        or _PHRASAL.search(text) is not None
        or _JAPANESE_SAYING.search(text) is not None
    )
