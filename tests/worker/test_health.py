from uuid import uuid4

from worker.health import answering, ask, socket_path


async def test_a_running_worker_answers_with_its_status() -> None:
    name = f"test-{uuid4()}"
    async with answering(name, lambda: {"claimed": 3}):
        assert await ask(name) == {"claimed": 3}
    assert await ask(name) is None


async def test_a_dead_worker_leaves_a_socket_that_its_successor_replaces() -> None:
    name = f"test-{uuid4()}"
    socket_path(name).parent.mkdir(mode=0o700, exist_ok=True)
    socket_path(name).touch()
    assert await ask(name) is None
    async with answering(name, dict):
        assert await ask(name) == {}
