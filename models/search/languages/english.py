"""English."""

from __future__ import annotations

from models.search.languages.language import (
    AFTERNOON,
    EVENING,
    MIDNIGHT,
    MORNING,
    NIGHT,
    NOON,
    Language,
)
from models.search.words import Phrases, any_of, by_phrase, each, folded_set, in_order

_MONTHS = in_order("january february march april may june july august september october november december")
_WEEKDAYS = in_order("monday tuesday wednesday thursday friday saturday sunday")
_NUMBERS = in_order(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_ORDINALS = in_order("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
_DECADES = in_order("twenties thirties forties fifties sixties seventies eighties nineties")

_HOLIDAYS = """
christmas: christmas, xmas, x-mas, christmas holidays, christmas time, christmastime
christmas_eve: christmas eve
christmas_day: christmas day
boxing_day: boxing day, second day of christmas
new_year: new year, new years, new year's
new_years_eve: new year's eve, new years eve, new year eve
new_years_day: new year's day, new years day
epiphany: epiphany
valentines_day: valentine's day, valentines day, valentine's
st_patricks_day: st patrick's day, saint patrick's day, st patricks day
mardi_gras: mardi gras, shrove tuesday
ash_wednesday: ash wednesday
palm_sunday: palm sunday
good_friday: good friday
easter: easter, easter weekend, easter holidays
easter_sunday: easter sunday, easter day
easter_monday: easter monday
ascension: ascension day
pentecost: pentecost, whitsun, whit sunday
whit_monday: whit monday
corpus_christi: corpus christi
may_day: may day
mothers_day: mother's day, mothers day
fathers_day: father's day, fathers day
memorial_day: memorial day
juneteenth: juneteenth
independence_day: independence day, fourth of july, 4th of july
labor_day: labor day, labour day
halloween: halloween, hallowe'en
all_saints: all saints day, all saints' day
guy_fawkes: guy fawkes night, bonfire night
veterans_day: veterans day
thanksgiving: thanksgiving, thanksgiving day
advent: advent
"""

_THINGS = """
person: person, persons, people, man, men, woman, women, boy, boys, girl, girls, kid, kids, child,
    children, baby, babies, toddler, toddlers, guy, guys, lady, ladies, adult, adults, human, humans,
    teenager, teenagers
bicycle: bicycle, bicycles, bike, bikes, mountain bike, mountain bikes, cycle
car: car, cars, automobile, automobiles, taxi, taxis, cab, cabs, suv, van, vans
motorcycle: motorcycle, motorcycles, motorbike, motorbikes, scooter, scooters, moped, mopeds
airplane: airplane, airplanes, aeroplane, aeroplanes, plane, planes, aircraft, jet, jets, airliner
bus: bus, buses, busses, coach bus, minibus
train: train, trains, locomotive, locomotives, tram, trams, subway train
truck: truck, trucks, lorry, lorries, pickup truck, pickup trucks
boat: boat, boats, ship, ships, sailboat, sailboats, sailing boat, sailing boats, yacht, yachts, ferry,
    ferries, canoe, canoes, kayak, kayaks, rowing boat, rowing boats
traffic light: traffic light, traffic lights, stoplight, stoplights
fire hydrant: fire hydrant, fire hydrants, hydrant, hydrants
stop sign: stop sign, stop signs
parking meter: parking meter, parking meters
bench: bench, benches, park bench, park benches
bird: bird, birds, seagull, seagulls, gull, gulls, pigeon, pigeons, duck, ducks, swan, swans, owl, owls,
    parrot, parrots, eagle, eagles, goose, geese, sparrow, sparrows
cat: cat, cats, kitten, kittens, kitty, kitties, tomcat
dog: dog, dogs, puppy, puppies, pup, pups, doggy, doggo, hound, hounds, labrador, poodle, dachshund,
    golden retriever, german shepherd
horse: horse, horses, pony, ponies, foal, foals, stallion, mare, mares
sheep: sheep, lamb, lambs, ram
cow: cow, cows, cattle, bull, bulls, calf, calves, ox, oxen
elephant: elephant, elephants
bear: bear, bears, polar bear, polar bears, grizzly, grizzlies
zebra: zebra, zebras
giraffe: giraffe, giraffes
backpack: backpack, backpacks, rucksack, rucksacks, knapsack, knapsacks
umbrella: umbrella, umbrellas, parasol, parasols
handbag: handbag, handbags, purse, purses
tie: tie, ties, necktie, neckties, bow tie, bow ties
suitcase: suitcase, suitcases, trolley case, luggage
frisbee: frisbee, frisbees
skis: ski, skis
snowboard: snowboard, snowboards
sports ball: ball, balls, football, footballs, soccer ball, soccer balls, basketball, basketballs,
    volleyball, tennis ball, tennis balls
kite: kite, kites
baseball bat: baseball bat, baseball bats
baseball glove: baseball glove, baseball gloves, baseball mitt
skateboard: skateboard, skateboards, longboard, longboards
surfboard: surfboard, surfboards, surf board, surf boards
tennis racket: tennis racket, tennis rackets, tennis racquet, tennis racquets
bottle: bottle, bottles, water bottle, water bottles, beer bottle, beer bottles, wine bottle, wine bottles
wine glass: wine glass, wine glasses, wineglass, wineglasses, champagne glass, champagne glasses
cup: cup, cups, mug, mugs, teacup, teacups
fork: fork, forks
knife: knife, knives
spoon: spoon, spoons
bowl: bowl, bowls
banana: banana, bananas
apple: apple, apples
sandwich: sandwich, sandwiches, burger, burgers
orange: orange, oranges
broccoli: broccoli
carrot: carrot, carrots
hot dog: hot dog, hot dogs, hotdog, hotdogs
pizza: pizza, pizzas
donut: donut, donuts, doughnut, doughnuts
cake: cake, cakes, birthday cake, birthday cakes, cupcake, cupcakes
chair: chair, chairs, armchair, armchairs, stool, stools
couch: couch, couches, sofa, sofas, settee, settees
potted plant: potted plant, potted plants, houseplant, houseplants, house plant, house plants
bed: bed, beds
dining table: dining table, dining tables, table, tables
toilet: toilet, toilets
tv: tv, tvs, television, televisions, tv set, tv sets
laptop: laptop, laptops, notebook computer, macbook, macbooks
mouse: computer mouse, mouse
remote: remote control, remote controls, tv remote, remote
keyboard: keyboard, keyboards
cell phone: cell phone, cell phones, cellphone, cellphones, mobile phone, mobile phones, phone, phones,
    smartphone, smartphones, mobile
microwave: microwave, microwaves
oven: oven, ovens
toaster: toaster, toasters
sink: sink, sinks
refrigerator: refrigerator, refrigerators, fridge, fridges
book: book, books
clock: clock, clocks, alarm clock, alarm clocks
vase: vase, vases
scissors: scissors, pair of scissors
teddy bear: teddy bear, teddy bears, teddy, teddies
hair drier: hair drier, hair driers, hair dryer, hair dryers, hairdryer, hairdryers, blow dryer
toothbrush: toothbrush, toothbrushes
"""

_MEDIA = """
photo: photo, photos, photograph, photographs, picture, pictures, pic, pics, image, images, snapshot,
    snapshots
video: video, videos, clip, clips, movie, movies, film, films, footage, video clip, video clips
"""

ENGLISH = Language(
    code="en",
    nouns_stand_apart=True,
    day_first=False,
    leading=folded_set(
        "without except earlier later back within what did do does was were i we us you took take go "
        "went been there this that it in on at from of with by during for near around over to into "
        "the a an and or but not my our all any some show me find search look only just also as well "
        "that is was were are taken made shot s since about where when which who has have having "
        "featuring including containing"
    ),
    trailing=folded_set("and or nor but of from with s showing"),
    articles=folded_set("the a an my our"),
    joining=folded_set("and or nor"),
    either=folded_set("or"),
    pronouns=folded_set("i me my mine we us our you he him his she her it they them"),
    in_dates=folded_set("in on at during over from since until till for around every throughout last this"),
    of_dates=folded_set("of in the"),
    numbers={word: number for number, word in enumerate(_NUMBERS, 1)} | {"a": 1, "an": 1},
    ordinals={word: number for number, word in enumerate(_ORDINALS, 1)},
    ordinal_endings=folded_set("st nd rd th"),
    months={word: number for number, word in enumerate(_MONTHS, 1)},
    short_months={word[:3]: number for number, word in enumerate(_MONTHS, 1)} | {"sept": 9},
    weekdays={word: number for number, word in enumerate(_WEEKDAYS, 1)},
    every_weekday=Phrases(
        {f"{word}s": (number,) for number, word in enumerate(_WEEKDAYS, 1)}
        | {f"every {word}": (number,) for number, word in enumerate(_WEEKDAYS, 1)}
        | {"weekends": (6, 7), "every weekend": (6, 7), "weekdays": (1, 2, 3, 4, 5)}
    ),
    weekend=any_of("weekend"),
    seasons={
        "spring": "spring",
        "springtime": "spring",
        "summer": "summer",
        "summertime": "summer",
        "fall": "autumn",
        "autumn": "autumn",
        "winter": "winter",
        "wintertime": "winter",
    },
    doubtful=folded_set("may march monday tuesday wednesday thursday friday saturday sunday"),
    units={
        "day": "day",
        "days": "day",
        "week": "week",
        "weeks": "week",
        "month": "month",
        "months": "month",
        "year": "year",
        "years": "year",
        "decade": "decade",
        "decades": "decade",
    },
    this=folded_set("this current"),
    last=folded_set("last previous"),
    before_last=Phrases({}),
    ago=folded_set("ago back"),
    ago_before=frozenset(),
    couple=Phrases({"a couple of": 3, "couple of": 3, "a couple": 3, "several": 5, "a few": 5, "few": 5}),
    days=Phrases(
        {
            "today": (0, ()),
            "yesterday": (1, ()),
            "the day before yesterday": (2, ()),
            "day before yesterday": (2, ()),
            "tonight": (0, (17, 18, 19, 20, 21, 22, 23)),
            "last night": (1, (18, 19, 20, 21, 22, 23)),
        }
    ),
    hours=Phrases(
        by_phrase(
            {
                MORNING: "in the morning, in the mornings, in the early morning, mornings",
                NOON: "at noon, at midday, at lunchtime",
                AFTERNOON: "in the afternoon, in the afternoons, afternoons",
                EVENING: "in the evening, in the evenings, evenings",
                NIGHT: "at night, at nighttime, in the night, by night, during the night, nights",
                MIDNIGHT: "at midnight",
            }
        )
    ),
    hours_of_a_day={
        "morning": MORNING,
        "noon": NOON,
        "afternoon": AFTERNOON,
        "evening": EVENING,
        "night": (18, 19, 20, 21, 22, 23),
    },
    holidays=Phrases(each(_HOLIDAYS)),
    thirds=Phrases(
        by_phrase(
            {
                0: "early, early in, beginning of, start of, the beginning of, the start of, early on in",
                1: "mid, middle of, the middle of",
                2: "late, late in, end of, the end of",
            }
        )
    ),
    decades={word: number for number, word in zip(range(20, 100, 10), _DECADES, strict=True)},
    decade_endings=folded_set("s"),
    years=folded_set("year years"),
    quarters=folded_set("q1 q2 q3 q4"),
    range_opens=Phrases({"from": False, "between": True}),
    range_goes_on=Phrases(
        {"to": None, "until": None, "till": None, "through": None, "thru": None, "up to": None}
    ),
    since=any_of("since, starting in, starting from, as of"),
    before=any_of("before, prior to, earlier than, older than"),
    after=any_of("after, later than, newer than"),
    until=any_of("until, till, up to, up until, through"),
    onwards=any_of("on, onwards, onward"),
    or_earlier=any_of("or earlier, and earlier, or before, and before, or older"),
    or_later=any_of("or later, and later, or after, and after, or newer, and onwards"),
    past=folded_set("last past previous"),
    with_someone=folded_set("with of by without featuring and for"),
    in_places=folded_set("in at from to around near outside inside visiting through"),
    near=folded_set("near around nearby outside"),
    genitive=False,
    common_names=folded_set(
        "amber angel april art august autumn basil bill bob buddy chance charity chase chip christian "
        "clay cliff crystal daisy dale dawn dean dolly drew duke earl faith fern forest frank gene "
        "ginger glen grace grant guy harmony hazel heather heath holly hope hunter iris ivy jack jade "
        "jasmine jean jewel jimmy joy june king lance laurel lily lucky mark mason max may melody "
        "miles misty mercy nick norm olive opal page pat patience pearl penny pierce poppy prince "
        "prudence queen rain ray reed rich river rob robin rocky rose ruby rusty sandy savannah scout "
        "skip sky star sterling stone storm sue summer sunny sunday tiger tony trinity victor violet "
        "wade ward will willow winter woody young baker brown black white green wood hill field cook "
        "bush fox wolf price day love long short small bright"
    ),
    titles=folded_set(
        "mr mrs ms miss dr prof professor sir uncle aunt auntie cousin grandma grandpa granny the my "
        "our old little"
    ),
    negations=any_of(
        "without, without any, neither, no, not, not in, not at, not from, not with, but no, but not, "
        "but without, except, except for, excluding, minus, with no, and no, and not"
    ),
    fillers=folded_set("any the a an in on at from with by of for during"),
    nobody=any_of("nobody, no one, noone, no-one"),
    people=any_of(
        "people, person, persons, anyone, anybody, someone, somebody, humans, human, faces, face, everyone"
    ),
    with_faces=any_of(
        "with people, with faces, with a face, with persons, with someone, with somebody, has faces, "
        "has people, having faces, showing faces"
    ),
    writing=any_of("text, writing, words, any text, letters"),
    with_writing=any_of(
        "with text, with writing, with some text, has text, having text, containing text, with words, "
        "with text in it, with text on it"
    ),
    media=Phrases(each(_MEDIA)),
    media_opens=folded_set(
        "show me find search for look all my our the a an any some only just i want to see every"
    ),
    media_goes_on=folded_set(
        "of from with without in on at taken where that which who when during showing by near between "
        "since before after until i we and or"
    ),
    taken_with=any_of(
        "taken with, taken by, taken on, shot with, shot on, shot by, made with, captured with, "
        "captured on, photographed with, recorded with, filmed with, filmed on, camera, from camera"
    ),
    by_camera=any_of("with my, with our, with the, from my, from our, on my, using my, using the, using a"),
    taken=frozenset(),
    things=Phrases(each(_THINGS)),
    doubtful_things=folded_set("orange cycle ram mobile remote pup jet ski tie luggage table toilet"),
    compounds={},
    no_compounds=frozenset(),
    adjectives=folded_set(
        "big small little large tiny huge old young new black white red blue green yellow brown grey "
        "gray orange pink purple golden cute happy sleeping running playing different other more wild "
        "dirty wet beautiful"
    ),
    quantities=Phrases(
        by_phrase(
            {
                2: "a couple of, couple of, a pair of, pair of, several, multiple, a few, few, both",
                3: "many, lots of, a lot of, a group of, group of, crowd of, a bunch of, plenty of",
            }
        )
    ),
    at_least=Phrases(by_phrase({0: "at least, exactly", 1: "more than, over"})),
    at_most=any_of("less than, fewer than, at most, under, not more than"),
    measures=folded_set(
        "m km meter meters metres miles euro euros dollars pounds pieces times px pixels mb gb kg "
        "feet ft steps calories percent"
    ),
)
