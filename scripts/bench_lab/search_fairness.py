"""One user's searches alone, and beside another user who has a thousand under way at any time."""

from __future__ import annotations

import time
from uuid import UUID

from scripts.bench_lab.images import make_models
from scripts.bench_lab.lab import LOOK_SECONDS, Lab
from scripts.bench_lab.measure import Measure, percentile
from scripts.bench_lab.partner import beside
from scripts.bench_lab.search import (
    App,
    add_documents,
    begin_pictures,
    headers_of,
    model_choice,
    sentences,
    worker_settings,
)
from scripts.bench_lab.workers import serving

CLAIMS_GOAL = 1
"""One may have been under way when the search came, and not have seen it."""


def measure(lab: Lab) -> list[Measure]:
    make_models(lab, "openclip")
    choice = model_choice(lab)
    version, dimension = begin_pictures(lab, choice)
    one, many = lab.add_user(), lab.add_user()
    for user in (one, many):
        add_documents(lab, user, version, dimension, lab.pick(full=1_000, quick=50))
    searches = lab.pick(full=40, quick=5)
    crowd = lab.pick(full=1_000, quick=30)
    app = App(lab, one)
    with serving(lab, worker_settings(lab, choice)):
        lab.tell("warming up")
        app.warm_up()
        lab.tell(f"{searches} searches alone")
        alone = app.search(sentences("first", searches))
        lab.tell(f"{searches} searches beside {crowd} of another user")
        with beside(
            lab, "scripts.bench_lab.crowd", url=lab.info.url, headers=headers_of(lab, many), searches=crowd
        ) as other:
            while sum(other.ask(end=False).values()) < crowd:  # each has asked once
                time.sleep(LOOK_SECONDS)
            answers = [app.ask(sentence) for sentence in sentences("busy", searches)]
            counted = other.ask(end=True)
    crowded = [seconds for seconds, _ in answers]
    return [
        *(Measure(name=f"alone_p{cut}", value=1000 * percentile(alone, cut), unit="ms") for cut in (50, 95)),
        *(
            Measure(name=f"crowded_p{cut}", value=1000 * percentile(crowded, cut), unit="ms")
            for cut in (50, 95)
        ),
        Measure(
            name="crowded_p95_to_alone", value=percentile(crowded, 95) / percentile(alone, 95), unit="times"
        ),
        Measure(name="crowded_without_worker", value=sum(bool(lacks) for _, lacks in answers), at_most=0),
        Measure(name="claims_before", value=_claims_before(lab, one, many), at_most=CLAIMS_GOAL),
        *(Measure(name=f"of_crowd_{name}", value=value) for name, value in counted.items()),
    ]


def _claims_before(lab: Lab, one: UUID, many: UUID) -> int:
    """The most claims of jobs of `many` that came between a search's insert by `one` and its own claim."""
    return int(
        lab.value(
            "select coalesce(max(before), 0) from ("
            "  select count(distinct other.picked_up_at) as before"
            "    from public.ai_processing_jobs as single"
            "    left join public.ai_processing_jobs as other"
            "      on other.job_type in ('search', 'understand') and other.user_id = %s"
            "     and other.picked_up_at > single.created_at and other.picked_up_at < single.picked_up_at"
            "   where single.job_type in ('search', 'understand') and single.user_id = %s"
            "   group by single.id) as counted",
            many,
            one,
        )
    )
