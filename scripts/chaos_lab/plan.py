"""How much of what: the two forms of the program."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """Chances, per request, of what the gateway does instead of forwarding it."""

    drop_response: float = 0.05
    """The server has committed; the client sees its connection cut."""
    drop_request: float = 0.03
    unavailable: float = 0.03
    """503 without asking the server."""
    slow: float = 0.02
    """Forwarded after up to a lease, whether the client still waits or not."""
    late: float = 0.01
    """The client's connection is cut, and the request arrives afterwards, when it has long been repeated."""
    twice: float = 0.02
    """Delivered twice at the same time."""
    cut_off: float = 0.04
    """Of settlements only: the worker reaches nobody for longer than its lease, and its settlements arrive at
    the moment when others have been given its jobs."""
    expire: float = 0.02
    """From now on this user's token is refused with 401, as an expired one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. All times are seconds."""

    form: str
    jobs: int
    """To be asked for, besides those that come with an upload."""
    users: int
    assets_per_user: int
    services: int
    """Workers with the secret key; one with a worker token and one personal worker come on top."""
    slots: int = 2
    """Per kind and worker."""
    lease: int = 2
    grace: float = 1.0
    token_life: int = 6
    """What a personal worker is told about its access token, so that it refreshes all the time."""
    kill_every: float = 0.5
    stop_every: float = 2.0
    drain_every: float = 4.0
    kill_host_every: float | None = None
    """The process that a worker's models live in; None: no worker here has models."""
    jobs_between_kills: int = 0
    """How many must have ended since the last: a worker that is always killed while it loads models does
    nothing."""
    havoc: float
    """For how long, at most, workers are killed; afterwards they may finish what is left."""
    limit: float
    """When the program stops waiting for jobs and counts them as lost."""
    mischief: Mischief = field(default_factory=Mischief)


SHORT = Plan(form="short", jobs=200, users=4, assets_per_user=8, services=1, havoc=18, limit=180)
FULL = Plan(form="full", jobs=2000, users=8, assets_per_user=50, services=2, havoc=240, limit=420)

IMAGES_SHORT = Plan(
    form="short images",
    jobs=12,
    users=3,
    assets_per_user=11,
    services=1,
    lease=4,
    kill_every=1.0,
    kill_host_every=1.0,
    stop_every=8.0,
    drain_every=2.0,
    jobs_between_kills=8,
    havoc=180,
    limit=400,
)
IMAGES_FULL = Plan(
    form="full images",
    jobs=260,
    users=6,
    assets_per_user=40,
    services=2,
    lease=4,
    kill_every=1.0,
    kill_host_every=1.0,
    stop_every=8.0,
    drain_every=2.0,
    jobs_between_kills=14,
    havoc=1500,
    limit=2400,
)
