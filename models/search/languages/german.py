"""German."""

from __future__ import annotations

from models.search.languages.language import (
    AFTERNOON,
    EVENING,
    FORENOON,
    MIDNIGHT,
    MORNING,
    NIGHT,
    NOON,
    Language,
)
from models.search.words import Phrases, any_of, by_phrase, each, folded_set, in_order

_MONTHS = in_order("januar februar maerz april mai juni juli august september oktober november dezember")
_WEEKDAYS = in_order("montag dienstag mittwoch donnerstag freitag samstag sonntag")
_NUMBERS = in_order(
    "eins zwei drei vier fuenf sechs sieben acht neun zehn elf zwoelf dreizehn vierzehn fuenfzehn "
    "sechzehn siebzehn achtzehn neunzehn zwanzig"
)
_ORDINALS = in_order("erst zweit dritt viert fuenft sechst siebt acht neunt zehnt elft zwoelft")
_DECADES = in_order("zwanziger dreissiger vierziger fuenfziger sechziger siebziger achtziger neunziger")
_HOURS_OF_A_DAY = {
    "morgen": MORNING,
    "frueh": MORNING,
    "vormittag": FORENOON,
    "mittag": NOON,
    "nachmittag": AFTERNOON,
    "abend": EVENING,
    "nacht": (18, 19, 20, 21, 22, 23),
}

_HOLIDAYS = """
christmas: weihnachten, weihnacht, weihnachtszeit, weihnachtstage, weihnachtstagen, weihnachtsfeiertage,
    weihnachtsfeiertagen, weihnachtsferien
christmas_eve: heiligabend, heiliger abend, heiligen abend
christmas_day: erster weihnachtstag, ersten weihnachtstag, erster weihnachtsfeiertag, ersten
    weihnachtsfeiertag, 1. weihnachtstag
boxing_day: zweiter weihnachtstag, zweiten weihnachtstag, zweiter weihnachtsfeiertag, zweiten
    weihnachtsfeiertag, 2. weihnachtstag, stephanstag, stefanitag
new_year: jahreswechsel, neues jahr, neue jahr, neuen jahr
between_the_years: zwischen den jahren
new_years_eve: silvester, sylvester, silvesterabend, silvesternacht, altjahrsabend
new_years_day: neujahr, neujahrstag
epiphany: heilige drei könige, heiligen drei könige, dreikönigstag, dreikönig, heilig drei könig
valentines_day: valentinstag
st_patricks_day: st. patrick's day, st patricks day
carnival: karneval, fasching, fastnacht, fasnacht
rose_monday: rosenmontag
mardi_gras: faschingsdienstag, veilchendienstag, fastnachtsdienstag
ash_wednesday: aschermittwoch
palm_sunday: palmsonntag
maundy_thursday: gründonnerstag
good_friday: karfreitag
easter: ostern, osterwochenende, osterfeiertage, osterfeiertagen, osterferien
easter_sunday: ostersonntag
easter_monday: ostermontag
ascension: christi himmelfahrt, himmelfahrt, vatertag, herrentag, männertag
pentecost: pfingsten, pfingstwochenende, pfingstfeiertage, pfingstfeiertagen
whit_sunday: pfingstsonntag
whit_monday: pfingstmontag
corpus_christi: fronleichnam
walpurgis_night: walpurgisnacht
may_day: tag der arbeit, maifeiertag
mothers_day: muttertag
assumption: mariä himmelfahrt
swiss_national_day: schweizer nationalfeiertag, bundesfeiertag
german_unity_day: tag der deutschen einheit, tag der einheit
austrian_national_day: österreichischer nationalfeiertag, österreichischen nationalfeiertag
thanksgiving: thanksgiving
reformation_day: reformationstag
halloween: halloween
all_saints: allerheiligen
all_souls: allerseelen
st_martins_day: martinstag, sankt martin, st. martin
st_nicholas_day: nikolaus, nikolaustag
advent: advent, adventszeit, vorweihnachtszeit
"""

_THINGS = """
person: person, personen, mensch, menschen, leute, leuten, mann, männer, männern, frau, frauen, junge,
    jungen, jungs, mädchen, kind, kinder, kindern, baby, babys, kleinkind, kleinkinder, erwachsene,
    jugendliche
bicycle: fahrrad, fahrräder, fahrrädern, rad, räder, rädern, mountainbike, mountainbikes, rennrad,
    rennräder, velo, velos, bike, bikes
car: auto, autos, wagen, pkw, pkws, taxi, taxis, personenwagen, kombi, cabrio, cabrios, oldtimer
motorcycle: motorrad, motorräder, motorrädern, moped, mopeds, motorroller, roller, vespa
airplane: flugzeug, flugzeuge, flugzeugen, flieger, fliegern, jet, jets, düsenjet
bus: bus, busse, bussen, reisebus, reisebusse, linienbus
train: zug, züge, zügen, eisenbahn, lokomotive, lokomotiven, lok, loks, straßenbahn, straßenbahnen, tram,
    trams, s-bahn, u-bahn
truck: lastwagen, lkw, lkws, laster, lastkraftwagen, truck, trucks
boat: boot, boote, booten, schiff, schiffe, schiffen, segelboot, segelboote, fähre, fähren, yacht,
    yachten, jacht, jachten, kanu, kanus, kajak, kajaks, ruderboot, ruderboote
traffic light: ampel, ampeln, verkehrsampel, verkehrsampeln
fire hydrant: hydrant, hydranten
stop sign: stoppschild, stoppschilder, stopschild
parking meter: parkuhr, parkuhren, parkautomat, parkautomaten
bench: parkbank, parkbänke, sitzbank, sitzbänke, gartenbank, bank, bänke, bänken
bird: vogel, vögel, vögeln, möwe, möwen, taube, tauben, ente, enten, schwan, schwäne, eule, eulen,
    papagei, papageien, adler, gans, gänse, spatz, spatzen, storch, störche
cat: katze, katzen, kater, kätzchen, kätzin, mieze
dog: hund, hunde, hunden, hündchen, hündin, welpe, welpen, dackel, pudel, labrador
horse: pferd, pferde, pferden, pony, ponys, fohlen, hengst, stute
sheep: schaf, schafe, schafen, lamm, lämmer, lämmern, widder
cow: kuh, kühe, kühen, rind, rinder, rindern, stier, bulle, bullen, kalb, kälber, kälbern, ochse, ochsen
elephant: elefant, elefanten
bear: bär, bären, eisbär, eisbären, braunbär, braunbären
zebra: zebra, zebras
giraffe: giraffe, giraffen
backpack: rucksack, rucksäcke, rucksäcken, schulranzen, ranzen
umbrella: regenschirm, regenschirme, schirm, schirme, sonnenschirm, sonnenschirme
handbag: handtasche, handtaschen
tie: krawatte, krawatten, schlips
suitcase: koffer, koffern, reisekoffer, rollkoffer
frisbee: frisbee, frisbees, frisbeescheibe
skis: ski, skier, skiern, schi
snowboard: snowboard, snowboards
sports ball: ball, bälle, bällen, fußball, fußbälle, basketball, basketbälle, tennisball, tennisbälle,
    volleyball
kite: flugdrachen, lenkdrachen, drachen
baseball bat: baseballschläger
baseball glove: baseballhandschuh, baseballhandschuhe
skateboard: skateboard, skateboards, longboard, longboards
surfboard: surfbrett, surfbretter, surfboard, surfboards
tennis racket: tennisschläger
bottle: flasche, flaschen
wine glass: weinglas, weingläser, weingläsern, sektglas, sektgläser
cup: tasse, tassen, becher, bechern
fork: gabel, gabeln
knife: messer, messern
spoon: löffel, löffeln
bowl: schüssel, schüsseln, schale, schalen
banana: banane, bananen
apple: apfel, äpfel, äpfeln
sandwich: sandwich, sandwiches, belegtes brot, butterbrot, burger
orange: orange, orangen, apfelsine, apfelsinen
broccoli: brokkoli, broccoli
carrot: karotte, karotten, möhre, möhren, mohrrübe, mohrrüben
hot dog: hot dog, hot dogs, hotdog, hotdogs
pizza: pizza, pizzas, pizzen
donut: donut, donuts
cake: kuchen, torte, torten, geburtstagskuchen, geburtstagstorte
chair: stuhl, stühle, stühlen, sessel, hocker
couch: sofa, sofas, couch, couches, couchen
potted plant: topfpflanze, topfpflanzen, zimmerpflanze, zimmerpflanzen, blumentopf, blumentöpfe
bed: bett, betten
dining table: esstisch, esstische, tisch, tische, tischen
toilet: toilette, toiletten, klo, klos
tv: fernseher, fernsehern, fernsehgerät, fernsehgeräte, tv
laptop: laptop, laptops, notebook, notebooks
mouse: computermaus
remote: fernbedienung, fernbedienungen
keyboard: tastatur, tastaturen
cell phone: handy, handys, mobiltelefon, mobiltelefone, smartphone, smartphones, telefon, telefone, natel
microwave: mikrowelle, mikrowellen
oven: ofen, öfen, backofen, backöfen
toaster: toaster, toastern
sink: waschbecken, spüle, spülbecken, waschbecken
refrigerator: kühlschrank, kühlschränke, kühlschränken
book: buch, bücher, büchern
clock: uhr, uhren, wanduhr, wanduhren, wecker
vase: vase, vasen, blumenvase, blumenvasen
scissors: schere, scheren
teddy bear: teddybär, teddybären, teddy, teddys
hair drier: föhn, föhne, fön, haartrockner
toothbrush: zahnbürste, zahnbürsten
"""

_MEDIA = """
photo: foto, fotos, photo, photos, bild, bilder, bildern, aufnahme, aufnahmen, fotografie, fotografien,
    schnappschuss, schnappschüsse
video: video, videos, film, filme, filmen, clip, clips, videoclip, videoclips
"""

_ENDINGS = ("er", "e", "es", "en", "em")


def _inflected(*stems: str) -> frozenset[str]:
    return folded_set(stem + ending for stem in stems for ending in _ENDINGS)


GERMAN = Language(
    code="de",
    nouns_stand_apart=False,
    day_first=True,
    leading=folded_set(
        "zeitraum früher später in im an am auf bei beim von vom aus mit ohne zu zum zur um für "
        "während nahe nähe um über ab seit der die das den dem des ein eine einen einem einer eines "
        "und oder aber nicht kein keine keinen mein meine meinen meiner meinem unser unsere unserem "
        "alle allen zeig zeige mir such suche finde nur auch ist sind gemacht aufgenommen wo wann wer "
        "es sieht ich wir uns haben habe hast gibt sind jahr jahre jahren jahres monat gibt"
    ),
    trailing=folded_set("und oder noch aber von vom aus mit s"),
    articles=folded_set("der die das den dem des ein eine einen einem einer eines meine mein unser unsere"),
    joining=folded_set("und oder sowie noch"),
    either=folded_set("oder"),
    pronouns=folded_set("ich mir mich mein wir uns unser du dich dir er sie es ihr ihn ihm ihnen"),
    in_dates=folded_set(
        "im in am an zu zum zur vom über während seit bis ab vor nach jeden jedes jeder aus letzten "
        "letztes letzter"
    ),
    of_dates=folded_set("im in des vom von der aus"),
    numbers={word: number for number, word in enumerate(_NUMBERS, 1)}
    | dict.fromkeys(("ein", "eine", "einen", "einem", "einer", "eines"), 1)
    | {"zwo": 2},
    ordinals={
        stem + ending: number
        for number, stem in enumerate(_ORDINALS, 1)
        for ending in ("e", "er", "en", "es", "em")
    },
    ordinal_endings=frozenset(),
    months={word: number for number, word in enumerate(_MONTHS, 1)}
    | {"jaenner": 1, "feber": 2, "marz": 3}
    | {word + "s": number for number, word in enumerate(_MONTHS, 1) if word[-1] != "s"}
    | {"juno": 6, "julei": 7},
    short_months={word[:3]: number for number, word in enumerate(_MONTHS, 1)}
    | {"mrz": 3, "sept": 9, "jaen": 1},
    weekdays={word: number for number, word in enumerate(_WEEKDAYS, 1)} | {"sonnabend": 6},
    every_weekday=Phrases(
        {f"{word}s": (number,) for number, word in enumerate(_WEEKDAYS, 1)}
        | {f"jeden {word}": (number,) for number, word in enumerate(_WEEKDAYS, 1)}
        | {
            "sonnabends": (6,),
            "an wochenenden": (6, 7),
            "jedes wochenende": (6, 7),
            "werktags": (1, 2, 3, 4, 5),
        }
        | {"unter der woche": (1, 2, 3, 4, 5)}
    ),
    weekend=any_of("wochenende"),
    seasons={
        "fruehling": "spring",
        "fruehlings": "spring",
        "fruehjahr": "spring",
        "fruehjahrs": "spring",
        "sommer": "summer",
        "sommers": "summer",
        "herbst": "autumn",
        "herbsts": "autumn",
        "herbstes": "autumn",
        "winter": "winter",
        "winters": "winter",
        "hochsommer": "summer",
        "spaetsommer": "summer",
        "fruehsommer": "summer",
        "spaetherbst": "autumn",
        "vorfruehling": "spring",
    },
    doubtful=folded_set("mai " + " ".join(_WEEKDAYS) + " sonnabend"),
    units={
        "tag": "day",
        "tage": "day",
        "tagen": "day",
        "tages": "day",
        "woche": "week",
        "wochen": "week",
        "monat": "month",
        "monate": "month",
        "monaten": "month",
        "monats": "month",
        "jahr": "year",
        "jahre": "year",
        "jahren": "year",
        "jahres": "year",
        "jahrzehnt": "decade",
        "jahrzehnts": "decade",
        "jahrzehnte": "decade",
        "jahrzehnten": "decade",
    },
    this=_inflected("dies", "heurig", "laufend", "aktuell"),
    last=_inflected("letzt", "vorig", "vergangen", "verflossen"),
    before_last=Phrases(dict.fromkeys(("vor" + word for word in _inflected("letzt")), None)),
    ago=frozenset(),
    ago_before=folded_set("vor"),
    couple=Phrases({"ein paar": 5, "paar": 5, "einigen": 5, "wenigen": 5, "mehreren": 5, "einige": 5}),
    days=Phrases(
        {
            "heute": (0, ()),
            "gestern": (1, ()),
            "vorgestern": (2, ()),
            "vorvorgestern": (3, ()),
            "heute nacht": (0, (0, 1, 2, 3, 4, 5)),
            "letzte nacht": (1, (18, 19, 20, 21, 22, 23)),
        }
    ),
    hours=Phrases(
        by_phrase(
            {
                MORNING: "am morgen, morgens, frühmorgens, am frühen morgen, in der früh",
                FORENOON: "am vormittag, vormittags",
                NOON: "am mittag, mittags, zur mittagszeit",
                AFTERNOON: "am nachmittag, nachmittags",
                EVENING: "am abend, abends",
                NIGHT: "in der nacht, nachts, bei nacht",
                MIDNIGHT: "um mitternacht, an mitternacht",
            }
        )
    ),
    hours_of_a_day=_HOURS_OF_A_DAY,
    holidays=Phrases(each(_HOLIDAYS)),
    thirds=Phrases(
        by_phrase(
            {
                0: "anfang, zu beginn, beginn, anfangs, frühe, frühen, früher",
                1: "mitte",
                2: "ende, späte, späten, später",
            }
        )
    ),
    decades={
        word + ending: number
        for number, word in zip(range(20, 100, 10), _DECADES, strict=True)
        for ending in ("", "n", "jahre", "jahren")
    },
    decade_endings=folded_set("er ern s"),
    years=folded_set("jahr jahre jahren jahres"),
    quarters=folded_set("q1 q2 q3 q4"),
    range_opens=Phrases({"von": False, "vom": False, "zwischen": True}),
    range_goes_on=any_of("bis, bis zum, bis zu"),
    since=any_of("seit, seit dem, ab, ab dem"),
    before=any_of("vor, vor dem, vor der, älter als"),
    after=any_of("nach, nach dem, neuer als"),
    until=any_of("bis, bis zum, bis zu, bis einschließlich"),
    onwards=any_of("an"),
    or_earlier=any_of("oder früher, und früher, oder davor, und davor, oder älter"),
    or_later=any_of("oder später, und später, oder danach, und danach, oder neuer"),
    past=_inflected("letzt", "vergangen", "vorig"),
    with_someone=folded_set("mit von ohne und bei für zusammen"),
    in_places=folded_set("in im aus bei nach um nahe nähe von am auf"),
    near=folded_set("nahe nähe bei um"),
    genitive=True,
    common_names=folded_set(
        "ernst rose wolf herbst sommer winter klein lang groß gross kaiser könig koch bauer fischer "
        "müller schneider weber stein berg heide engel august horst bär fuchs vogel hahn jung roth "
        "braun schwarz weiß linde viola iris mai mark will falk kai flora aurora jasmin hasel dorn "
        "richter schmied wagner becker schäfer jäger maurer zimmermann sonne stern luna blume felix "
        "gut reich kurz kraft sturm frost frank frei schön sonntag freitag viktor ella an in so max "
        "bernd jan bart art hell stolz kluge lieb lieber alt neu rot"
    ),
    titles=folded_set(
        "herr frau dr prof professor onkel tante oma opa großmutter großvater cousin cousine der die "
        "das mein meine kleiner kleine alte alter"
    ),
    negations=any_of(
        "ohne, ohne irgendwelche, weder, kein, keine, keinen, keinem, keiner, nicht, nicht in, nicht "
        "im, nicht mit, aber nicht, aber ohne, aber kein, aber keine, aber keinen, außer, "
        "ausgenommen, und ohne, und kein, und keine, und keinen, und nicht"
    ),
    fillers=folded_set(
        "der die das den dem ein eine einen einem einer in im am an mit von vom aus bei jegliche irgendwelche"
    ),
    nobody=any_of(
        "niemand, niemanden, niemandem, menschenleer, menschenleere, menschenleerer, menschenleerem, "
        "menschenleeren, menschenleeres"
    ),
    people=any_of(
        "menschen, leute, leuten, personen, person, gesichter, gesicht, jemand, jemanden, irgendwen, mensch"
    ),
    with_faces=any_of("mit menschen, mit leuten, mit personen, mit gesichtern, mit gesicht, mit jemandem"),
    writing=any_of("text, texte, schrift, beschriftung"),
    with_writing=Phrases(
        {"mit text": None, "mit schrift": None, "mit beschriftung": None, "mit einem text": None}
    ),
    media=Phrases(each(_MEDIA)),
    media_opens=folded_set(
        "zeig zeige mir uns finde suche such nach alle allen meine meinen unsere die das der ein eine "
        "einige nur ich will möchte sehen von"
    ),
    media_goes_on=folded_set(
        "von vom mit ohne in im aus am an auf bei beim die das der wo während zwischen seit vor nach "
        "bis und oder aufgenommen zu zum zur über"
    ),
    taken_with=any_of(
        "aufgenommen mit, fotografiert mit, gemacht mit, gefilmt mit, aufgenommen von, kamera, mit "
        "kamera, mit der kamera"
    ),
    by_camera=any_of(
        "mit der, mit dem, mit meiner, mit meinem, mit unserer, mit einer, mit einem, von meiner, "
        "von meinem, aus meiner, per"
    ),
    taken=folded_set("aufgenommen fotografiert gemacht gefilmt geschossen"),
    things=Phrases(each(_THINGS)),
    doubtful_things=folded_set(
        "orange bank rad raeder wagen roller schale drachen uhr ski mann frau junge jungen tisch"
    ),
    compounds={
        "hund": "dog",
        "hunde": "dog",
        "hunden": "dog",
        "katze": "cat",
        "katzen": "cat",
        "fahrrad": "bicycle",
        "fahrraeder": "bicycle",
        "auto": "car",
        "autos": "car",
        "flugzeug": "airplane",
        "flugzeuge": "airplane",
        "boot": "boat",
        "boote": "boat",
        "schiff": "boat",
        "schiffe": "boat",
        "vogel": "bird",
        "voegel": "bird",
        "pferd": "horse",
        "pferde": "horse",
        "flasche": "bottle",
        "flaschen": "bottle",
        "tasse": "cup",
        "tassen": "cup",
        "kuchen": "cake",
        "torte": "cake",
        "torten": "cake",
        "koffer": "suitcase",
        "sofa": "couch",
        "rucksack": "backpack",
        "lastwagen": "truck",
        "motorrad": "motorcycle",
        "bett": "bed",
        "schuessel": "bowl",
        "uhren": "clock",
    },
    no_compounds=folded_set(
        "seehund seehunde meerkatze meerkatzen seepferd nilpferd nilpferde flusspferd flusspferde "
        "lebkuchen mutterkuchen raumschiff luftschiff kirchenschiff himmelbett flussbett spassvogel"
    ),
    adjectives=folded_set(
        "große grosse großen kleine kleinen junge jungen alte alten neue neuen schwarze schwarzen "
        "weiße weißen rote roten blaue blauen grüne grünen gelbe gelben braune braunen graue grauen "
        "bunte bunten süße süßen schlafende schlafenden spielende spielenden verschiedene "
        "verschiedenen wilde wilden schöne schönen nasse nassen"
    ),
    quantities=Phrases(
        by_phrase({2: "ein paar, paar, mehrere, einige, beide, beiden", 3: "viele, vielen, eine gruppe"})
    ),
    at_least=Phrases(by_phrase({0: "mindestens, wenigstens, genau", 1: "mehr als, über"})),
    at_most=any_of("weniger als, höchstens, maximal, nicht mehr als"),
    measures=folded_set("m km meter metern euro stück mal px pixel mb gb kg schritte kalorien prozent uhr"),
)
