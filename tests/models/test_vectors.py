import pytest

from models.errors import ModelFailed
from models.vectors import cosine, unit_rows

np = pytest.importorskip("numpy")


def test_rows_are_scaled_to_length_one_in_fp32() -> None:
    rows = unit_rows(np.array([[3, 4], [0, -2]], np.float64))
    assert rows == (tuple(np.array([3 / 5, 4 / 5], np.float32).tolist()), (0.0, -1.0))
    assert all(type(number) is float for row in rows for number in row)


def test_the_smallest_and_the_largest_numbers_keep_their_direction() -> None:
    assert unit_rows(np.array([[1e-18, 0], [1e18, 0]], np.float32)) == ((1.0, 0.0), (1.0, 0.0))


@pytest.mark.parametrize("row", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_a_row_without_direction_fails(row: list[float]) -> None:
    with pytest.raises(ModelFailed, match="direction"):
        unit_rows(np.array([[1, 1], row], np.float32))


def test_cosine_is_that_of_the_angle() -> None:
    assert cosine((1, 0), (0, 1)) == 0
    assert cosine((0.6, 0.8), (0.6, 0.8)) == pytest.approx(1)
    assert cosine((1, 0), (-1, 0)) == -1
    with pytest.raises(ValueError, match="argument"):
        cosine((1, 0), (1, 0, 0))
