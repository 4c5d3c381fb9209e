"""English, where the data has the name that people have there."""

from __future__ import annotations

from typing import Final

from models.places.languages.words import Words

ENGLISH: Final = Words(
    code="en",
    cities={
        ("BE", "Antwerpen"): "Antwerp",
        ("BE", "Brugge"): "Bruges",
        ("BE", "Gent"): "Ghent",
        ("CH", "Genève"): "Geneva",
        ("CH", "Luzern"): "Lucerne",
        ("CH", "Zürich"): "Zurich",
        ("DE", "Hannover"): "Hanover",
        ("DE", "Köln"): "Cologne",
        ("DE", "Nürnberg"): "Nuremberg",
        ("ES", "Sevilla"): "Seville",
        ("IL", "West Jerusalem"): "Jerusalem",
        ("PL", "Kraków"): "Krakow",
    },
    regions={
        ("DE", "Baden-Wurttemberg"): "Baden-Württemberg",
        ("DE", "City state Bremen"): "Bremen",
        ("DE", "Rheinland-Pfalz"): "Rhineland-Palatinate",
        ("DE", "State of Berlin"): "Berlin",
    },
)
