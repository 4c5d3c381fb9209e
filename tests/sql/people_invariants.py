"""What must hold of a user's people after every transaction, by queries that share nothing with the product.

Each rule is a query for what breaks it, so that a violation is named with the rows that show it. All are
about faces of the generation that answers, and of photos; a face in several generations is one face.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FACES = """
    with
    face as materialized (
      select face.*
        from public.face_embeddings as face
        join public.generations as generation
          on generation.kind = 'faces'
         and generation.state = 'active'
         and generation.model_version = face.model_version
       where face.user_id = %(user)s
         and not face.is_from_video
    ),
    member as materialized (
      select face.cluster_id, face.id, face.model_version, coalesce(face.quality, 0) as quality,
             extensions.l2_normalize(face.embedding)::extensions.halfvec::extensions.vector as vector
        from face
       where face.cluster_id is not null
    ),
    true_count as materialized (
      select cluster_id, count(*) as faces, extensions.sum(vector) as total,
             min(model_version) as model_version,
             (array_agg(id order by quality desc, id))[1] as best
        from member
       group by cluster_id
    )
"""

RULES: Mapping[str, tuple[str, ...]] = {
    "V1 a face that was said to be somebody is in their one cluster": (
        """
        select face.face_id, face.contact_id, face.cluster_id
          from face
          left join public.face_clusters as cluster on cluster.id = face.cluster_id
         where face.contact_id is not null
           and not face.recognised
           and cluster.contact_id is distinct from face.contact_id
        """,
        """
        select contact_id, count(*)
          from public.face_clusters
         where user_id = %(user)s
           and contact_id is not null
         group by contact_id
        having count(*) > 1
        """,
    ),
    "V2 two faces of one photo are two people": (
        """
        select one.face_id, other.face_id as other_id, one.cluster_id, one.contact_id
          from face as one
          join face as other on other.asset_id = one.asset_id and other.face_id > one.face_id
         where (one.cluster_id = other.cluster_id or one.contact_id = other.contact_id)
           and (one.contact_id is distinct from other.contact_id
                or one.contact_id is null
                or one.recognised
                or other.recognised)
        """,
    ),
    "V3 nobody is who they were said not to be": (
        """
        select face.face_id, excluded.contact_id, face.cluster_id
          from kizu.exclusions as excluded
          join face on face.face_id = excluded.face_id
          left join public.face_clusters as cluster on cluster.id = face.cluster_id
         where excluded.contact_id in (face.contact_id, cluster.contact_id)
        """,
    ),
    "V4 faces said to be different are apart": (
        """
        select pair.face_id, pair.other_id, one.cluster_id, one.contact_id
          from kizu.face_pairs as pair
          join face as one on one.face_id = pair.face_id
          join face as other on other.face_id = pair.other_id
         where not pair.same
           and (one.cluster_id = other.cluster_id or one.contact_id = other.contact_id)
        """,
    ),
    "V5 faces said to be the same are together": (
        """
        select pair.face_id, pair.other_id, one.cluster_id, other.cluster_id as other_cluster
          from kizu.face_pairs as pair
          join face as one on one.face_id = pair.face_id
          join face as other on other.face_id = pair.other_id
         where pair.same
           and (one.cluster_id = other.cluster_id) is not true
           and not exists (
                 select from kizu.face_marks as mark where mark.face_id in (pair.face_id, pair.other_id)
               )
        """,
    ),
    "V6 marked faces are nobody's": (
        """
        select face.face_id, face.cluster_id, face.contact_id
          from kizu.face_marks as mark
          join public.face_embeddings as face on face.face_id = mark.face_id
         where mark.user_id = %(user)s
           and (face.cluster_id is not null or face.contact_id is not null)
        """,
    ),
    "V7 clusters are counted": (
        """
        select cluster.id, cluster.face_count, counted.faces, cluster.representative_face_id, counted.best,
               sums.faces as summed, sums.model_version
          from public.face_clusters as cluster
          left join true_count as counted on counted.cluster_id = cluster.id
          left join kizu.cluster_sums as sums on sums.cluster_id = cluster.id
         where cluster.user_id = %(user)s
           and (cluster.face_count <> coalesce(counted.faces, 0)
                or cluster.representative_face_id is distinct from counted.best
                or (cluster.centroid_embedding is null) <> (counted.total is null)
                or (cluster.centroid_embedding operator(extensions.<=>) counted.total) > 1e-4
                or sums.faces is distinct from counted.faces
                or sums.model_version is distinct from counted.model_version
                or sums.user_id <> cluster.user_id
                or (sums.total operator(extensions.<->) counted.total) > 1e-3 * counted.faces)
        """,
        """
        select cluster.id, 'without a face' as why
          from public.face_clusters as cluster
         where cluster.user_id = %(user)s
           and cluster.name is null
           and cluster.contact_id is null
           and not exists (select from public.face_embeddings as face where face.cluster_id = cluster.id)
        """,
    ),
    "V8 a face has one cluster in all generations": (
        """
        select face_id, array_agg(distinct cluster_id) as clusters
          from public.face_embeddings
         where user_id = %(user)s
         group by face_id
        having count(distinct coalesce(cluster_id, '00000000-0000-0000-0000-000000000000')) > 1
        """,
    ),
    "V9 nobody is recognised before their birth": (
        """
        select face.face_id, face.contact_id, asset.taken_at, contact.birth_date
          from face
          join public.contacts as contact on contact.id = face.contact_id
          join public.assets as asset on asset.id = face.asset_id
         where face.recognised
           and (asset.taken_at at time zone 'UTC'
                + coalesce(asset.taken_at_offset_minutes, 0) * interval '1 minute')::date < contact.birth_date
        """,
    ),
}


CHECK = FACES + " union all ".join(
    f"select $rule${rule}$rule$ as rule, row_to_json(found) as row from ({query}) as found"
    for rule, queries in RULES.items()
    for query in queries
)


def violations(queue: Any, user: str, locked: Mapping[str, frozenset[str]] | None = None) -> list[str]:
    """One line for each thing that breaks a rule. `locked` is what locked_faces() answered before an
    automatic act: the same faces, as far as they are still there, must be in the same clusters."""
    found = [
        f"{broken['rule']}: {', '.join(f'{name}={value}' for name, value in broken['row'].items())}"
        for broken in _rows(queue, CHECK, user)
    ]
    if locked:
        every = "select distinct face_id from public.face_embeddings where user_id = %(user)s"
        there = {str(row["face_id"]) for row in _rows(queue, every, user)}
        now = locked_faces(queue, user)
        found += [
            f"V10 a locked cluster stays as it is: id={cluster},"
            f" lost={sorted(faces & there - now.get(cluster, frozenset()))},"
            f" gained={sorted(now.get(cluster, frozenset()) - faces)}"
            for cluster, faces in locked.items()
            if now.get(cluster, frozenset()) != faces & there
        ]
    return found


def locked_faces(queue: Any, user: str) -> dict[str, frozenset[str]]:
    """The faces of each locked cluster, of whatever generation: a face that the one that answers finds later
    is in its cluster already."""
    rows = _rows(
        queue,
        """
        select cluster.id, array_agg(face.face_id) filter (where face.face_id is not null) as faces
          from public.face_clusters as cluster
          left join public.face_embeddings as face on face.cluster_id = cluster.id
         where cluster.user_id = %(user)s
           and cluster.locked
         group by cluster.id
        """,
        user,
    )
    return {str(row["id"]): frozenset(str(face) for face in row["faces"] or ()) for row in rows}


def _rows(queue: Any, query: str, user: str) -> list[dict[str, Any]]:
    cursor = queue.db.execute(query, {"user": user})
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
