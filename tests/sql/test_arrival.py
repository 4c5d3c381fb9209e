"""Photo after photo, in whatever order, people come out as if all faces had been clustered at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from psycopg.types.json import Jsonb

from models.people.clustering import cluster
from models.people.faces import Verdicts
from models.people.scale import Scale
from models.people.scores import b_cubed
from scripts.bench_lab.people_library import PeopleLibrary, people_library
from tests.sql.people import face

if TYPE_CHECKING:
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]

pytestmark = [pytest.mark.stack, pytest.mark.slow]

SCALE = Scale(same=0.5, maybe=0.35, margin=0.1)
ORDERS = 10
MOST_LOST = 0.02


def arrive(queue: Any, library: PeopleLibrary, photos: Places) -> Places:
    """Whose cluster each face is in, -1 for none, once the photos have come in this order."""
    user = queue.user()
    faces = library.faces
    of_assets: dict[str, Places] = {}
    for photo in photos.tolist():
        asset = queue.asset(user)
        of_assets[asset] = np.flatnonzero(faces.photos == photo)
        rows = [
            face(
                number,
                {"x": 0.08 * number, "y": 0.1, "width": 0.07, "height": 0.07},
                "[" + ",".join(f"{value:.5f}" for value in faces.vectors[place].tolist()) + "]",
            )
            | {"quality": float(faces.quality[place])}
            for number, place in enumerate(of_assets[asset].tolist())
        ]
        with queue.db.transaction():
            queue.db.execute("select pg_advisory_xact_lock(kizu.faces_of(%s))", (user,))
            queue.db.execute("select kizu.replace_faces(%s, %s, %s, null, null)", (Jsonb(rows), user, asset))
    labels = np.full(len(faces), -1, np.int64)
    numbers: dict[str, int] = {}
    for row in queue.rows(
        "select asset_id, face_index, cluster_id from face_embeddings"
        " where user_id = %s and cluster_id is not null",
        user,
    ):
        place = of_assets[str(row["asset_id"])][row["face_index"]]
        labels[place] = numbers.setdefault(row["cluster_id"], len(numbers))
    return labels


@pytest.mark.parametrize(
    ("seed", "siblings", "ageing"),
    [
        pytest.param(0, 0.25, 0.06, id="a quarter are siblings"),
        pytest.param(1, 0.6, 0.25, id="most are siblings, and children grow up"),
    ],
)
def test_whatever_the_order_of_arrival_people_come_out_as_if_clustered_at_once(
    queue: Any, seed: int, siblings: float, ageing: float
) -> None:
    """Of both libraries more than half of the orders lose 0.03 to 0.07 where faces once placed stay there."""
    queue.generation("m", "faces", p_same_face=SCALE.same)
    queue.db.execute("update generations set maybe_face = %s, face_margin = %s", (SCALE.maybe, SCALE.margin))
    library = people_library(140, 12, 15, seed=seed, siblings=siblings, ageing=ageing)
    at_once = b_cubed(library.truth, cluster(library.faces, Verdicts.none(), SCALE).labels).f1
    assert at_once > 0.99
    photos = library.faces.photos
    by_day = photos[library.arrival]
    as_they_came = by_day[np.sort(np.unique(by_day, return_index=True)[1])]
    random = np.random.default_rng(5)
    orders = [as_they_came, as_they_came[::-1]]
    orders += [random.permutation(np.unique(photos)) for _ in range(ORDERS - len(orders))]

    lost = [at_once - b_cubed(library.truth, arrive(queue, library, order)).f1 for order in orders]

    assert max(lost) <= MOST_LOST, lost
