from __future__ import annotations

import pytest

from models import errors as theirs
from worker.core import errors as ours
from worker.model_errors import named_errors


@pytest.mark.parametrize("error", theirs.ImageError.__subclasses__())
def test_every_error_of_a_picture_has_a_name_in_the_words_of_jobs(error: type[theirs.ImageError]) -> None:
    with pytest.raises(ours.JobError, match="what was wrong") as named, named_errors():
        raise error("what was wrong")
    assert type(named.value).__name__ == error.__name__
    assert named.value.code == error.code
    assert not named.value.retryable
    assert isinstance(named.value.__cause__, error)


def test_other_errors_pass() -> None:
    with pytest.raises(MemoryError), named_errors():
        raise MemoryError
