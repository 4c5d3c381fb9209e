"""Names of points on Earth: by borders, not by the nearest middle of a town, and across the map's edges."""

from __future__ import annotations

import pytest

from models.places.languages import LANGUAGES
from models.places.naming import language_of, name_of
from models.places.places import NEAR_KM, REGION_KM, Places, Spot


@pytest.fixture(scope="module")
def places() -> Places:
    return Places.load()


def at(places: Places, latitude: float, longitude: float) -> Spot:
    (spot,) = places.at([(latitude, longitude)])
    return spot


@pytest.mark.parametrize(
    ("latitude", "longitude", "name", "why"),
    [
        (-29.31, 27.48, "Maseru, Lesotho", "a country within another"),
        (43.9367, 12.4467, "San Marino", "city, region and country have one name"),
        (43.985, 12.52, "Cerasolo, Emilia-Romagna, Italy", "a km outside San Marino"),
        (41.9022, 12.4573, "Vatican City", "the smallest country"),
        (41.9031, 12.4663, "Rome, Lazio, Italy", "nearer to the Vatican's middle than to Rome's"),
        (51.4383, 4.9286, "Baarle-Hertog, Flanders, Belgium", "a part of Belgium within the Netherlands"),
        (51.4475, 4.9310, "Baarle-Nassau, North Brabant, Netherlands", "a km from there"),
        (47.6967, 8.69, "Büsingen, Baden-Württemberg, Germany", "a part of Germany within Switzerland"),
        (42.464, 1.981, "Llívia, Catalonia, Spain", "a part of Spain within France"),
        (47.6458, 9.1783, "Kreuzlingen, Thurgau, Switzerland", "Konstanz is nearer to some of it"),
        (47.6633, 9.1753, "Konstanz, Baden-Württemberg, Germany", "across the border"),
        (43.0845, -79.0630, "Niagara Falls, New York, United States", "one name, two countries"),
        (43.0925, -79.0745, "Niagara Falls, Ontario, Canada", "one name, two countries"),
        (48.985, -123.07, "Point Roberts, Washington, United States", "reached by land through Canada alone"),
        (65.8481, 24.1466, "Tornio, Lapland, Finland", "twin towns, two zones"),
        (65.8355, 24.1368, "Haparanda, Norrbotten, Sweden", "twin towns, two zones"),
        (62.47, 6.15, "Ålesund, Møre og Romsdal, Norway", "a degree east is half as long there"),
        (-16.85, -179.97, "Northern, Fiji", "the same island east of the date line"),
        (-16.82, 179.95, "Northern, Fiji", "and west of it"),
        (66.2, -179.5, "Egvekinot, Chukotka, Russia", "a town west of the date line, a point east of it"),
        (64.73, 177.5, "Anadyr, Chukotka, Russia", "west of the date line"),
        (-90.0, 0.0, "Antarctica", "the pole"),
        (-89.99, 45.0, "Antarctica", "beside it"),
        (90.0, 0.0, "", "the other pole is at sea"),
        (0.0, 0.0, "", "at sea"),
        (0.001, -0.001, "", "at sea"),
        (30.0, -40.0, "", "the middle of the Atlantic"),
        (0.0, 180.0, "", "the edge of the map"),
        (0.0, -180.0, "", "the same edge"),
        (23.5, 5.0, "Tamanrasset, Algeria", "no town within 150 km but of one region"),
        (44.4605, -110.8281, "United States", "towns of three states are as near"),
        (72.0, -40.0, "Greenland", "no town at all"),
        (42.66, 21.16, "Pristina, Kosovo", "it has no zone of its own"),
        (21.03, 105.85, "Hanoi, Vietnam", "its zone is Bangkok's"),
        (48.8867, 2.3431, "Paris, Île-de-France, France", "a part of a city"),
        (52.4986, 13.3910, "Berlin, Germany", "a part of a city, and a region that says the same"),
        (40.7061, -73.9969, "New York City, United States", "a part of a city"),
        (52.4009, 13.0591, "Potsdam, Brandenburg, Germany", "no part of Berlin: in another region"),
        (48.8049, 2.1204, "Versailles, Île-de-France, France", "too far out to be a part"),
        (50.9413, 6.9583, "Cologne, North Rhine-Westphalia, Germany", "the data has Köln"),
        (1.2834, 103.8607, "Singapore", "a city that is a country"),
    ],
)  # fmt: skip
def test_places_have_the_names_that_people_have_for_them(
    places: Places, latitude: float, longitude: float, name: str, why: str
) -> None:
    assert at(places, latitude, longitude).name("en") == name, why


@pytest.mark.parametrize(
    ("latitude", "longitude", "language", "name"),
    [
        (48.1374, 11.5755, "de", "München, Bayern, Deutschland"),
        (48.1374, 11.5755, "de-AT", "München, Bayern, Deutschland"),
        (48.1374, 11.5755, "xx", "Munich, Bavaria, Germany"),
        (48.1374, 11.5755, "", "Munich, Bavaria, Germany"),
        (48.1374, 11.5755, "../../etc", "Munich, Bavaria, Germany"),
        (41.8902, 12.4922, "de_DE.UTF-8", "Rom, Latium, Italien"),
        (41.8902, 12.4922, "fr", "Rome, Lazio, Italie"),
        (35.6812, 139.7671, "de", "Tokio, Japan"),
        (46.2044, 6.1432, "de", "Genf, Schweiz"),
        (46.2044, 6.1432, "en", "Geneva, Switzerland"),
        (41.9022, 12.4573, "de", "Vatikanstadt"),
        (43.9367, 12.4467, "de", "San Marino"),
        (-90.0, 0.0, "de", "Antarktis"),
        (0.0, 0.0, "de", ""),
    ],
)
def test_names_are_in_a_persons_language_as_far_as_anybody_has_them(
    places: Places, latitude: float, longitude: float, language: str, name: str
) -> None:
    assert at(places, latitude, longitude).name(language) == name


def test_every_name_of_a_language_is_one_that_the_data_has(places: Places) -> None:
    towns = places.towns
    cities = set(zip(towns.countries, towns.names, strict=True))
    regions = set(zip(towns.countries, towns.regions, strict=True))
    for words in LANGUAGES.values():
        assert words.cities.keys() <= cities
        assert words.regions.keys() <= regions
        assert not [key for key, name in {**words.cities, **words.regions}.items() if name == key[1]]


def test_a_country_that_is_called_by_a_word_of_a_region_is_still_said() -> None:
    assert name_of("", "Île-de-France", "FR", "en") == "Île-de-France, France"
    assert name_of("", "", "QQ", "en") == "QQ"
    assert language_of("de") == "de"


def test_many_points_are_answered_in_their_order(places: Places) -> None:
    points = [(48.1374, 11.5755), (0.0, 0.0), (41.9022, 12.4573), (48.1374, 11.5755), (-16.82, 179.95)]
    assert places.at(points) == [at(places, *point) for point in points]
    assert places.at([]) == []


def test_a_town_names_what_is_near_and_a_region_what_is_not_far(places: Places) -> None:
    """Tennant Creek, whose nearest neighbour is 449 km away."""
    north, east = places.towns.degrees(places.towns.names.index("Tennant Creek"))
    degree = 111.195  # km
    names = [
        at(places, north + km / degree, east).name("en")
        for km in (NEAR_KM - 1, NEAR_KM + 1, REGION_KM - 1, REGION_KM + 1)
    ]
    region = "Northern Territory, Australia"
    assert names == [f"Tennant Creek, {region}", region, region, "Australia"]


@pytest.mark.parametrize("point", [(91.0, 0.0), (0.0, 181.0), (float("nan"), 0.0), (0.0, float("inf"))])
def test_a_point_that_is_not_on_earth_is_refused(places: Places, point: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="degrees"):
        places.at([point])


@pytest.mark.parametrize(
    ("latitude", "longitude", "zone", "why"),
    [
        (48.1374, 11.5755, "Europe/Berlin", "ashore"),
        (35.87, -110.6, "America/Phoenix", "Arizona has no summer time,"),
        (36.5, -110.3, "America/Denver", "the Navajo within it have"),
        (65.8481, 24.1466, "Europe/Helsinki", "an hour ahead of its twin town"),
        (43.82, 87.6, "Asia/Shanghai", "people live by two clocks: the first by name"),
        (43.2, 15.2, "Europe/Zagreb", "at sea, a ship keeps the time of the coast that is near"),
        (36.6, 28.25, "Europe/Istanbul", "at sea between two countries"),
        (30.0, -40.0, "", "far out nobody's clock is known"),
        (1.87, -157.4, "Pacific/Kiritimati", "a day ahead of its neighbours"),
    ],
)
def test_the_zone_is_that_of_the_clocks_there(
    places: Places, latitude: float, longitude: float, zone: str, why: str
) -> None:
    assert at(places, latitude, longitude).zone == zone, why
