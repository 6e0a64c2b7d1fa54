"""The series is bounded, and loses no peak."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.core.series import FIELDS, Series
from pytest_llmroute.measure.series import Rows


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300), st.integers(2, 20))
def test_however_long_it_gets_it_stays_bounded_and_keeps_the_peak(sizes: list[int], limit: int) -> None:
    rows = Rows(limit)
    for place, size in enumerate(sizes):
        rows.add((place * 0.2, size, 50.0, None, None, None))
    found = rows.rows()
    assert len(found) <= limit + 1
    assert max(row[1] or 0 for row in found) == max(sizes)
    assert {row[2] for row in found} == {50.0}
    assert [row[0] for row in found] == [place * 0.2 for place in range(0, len(sizes), rows.samples)]


def test_a_series_passes_through_json_and_takes_fields_by_name() -> None:
    series = Series("main", "now", 0.2, ((0.0, 1, None, 2, None, 3.5),))
    data = json.loads(json.dumps(series.to_dict()))
    assert Series.from_dict(data) == series
    data["fields"] = ["new", *FIELDS[:-1]]
    data["rows"] = [["?", *row[:-1]] for row in data["rows"]]
    assert Series.from_dict(data).rows == ((0.0, 1, None, 2, None, None),)
