"""Predictions: a lost, strange or doubled row is an error."""

from dataclasses import replace

import pytest
from toy_cell import PREDICTIONS, SPLIT, prediction

from stages.results.predictions import by_origin, check_rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (PREDICTIONS[1:], r"1 test ids without rows \['toy-11'\]"),
        ([*PREDICTIONS, prediction(3, "--> 4")], r"1 ids that are no test ids \['toy-3'\]"),
        ([*PREDICTIONS, PREDICTIONS[0]], r"samples .*'toy-7': \[0\].*, wanted \[0, 1\]"),
        ([*PREDICTIONS, prediction(7, "--> 8", 1)], r"samples .*'toy-7': \[0, 1\].*, wanted \[0\]"),
        ([*PREDICTIONS, prediction(7, "--> 8", origin="epoch 1")], "rows 'epoch 1': 4 test ids without rows"),
        ([*PREDICTIONS, prediction(7, "--> 8", origin="final")], "'toy-7' has origin 'final'"),
        ([replace(row, origin="epoch 1") for row in PREDICTIONS], "rows 'selected': 5 test ids without rows"),
        ([], "5 test ids without rows"),
    ],
)
def test_lost_rows_are_errors(rows, message):
    with pytest.raises(ValueError, match=message):
        by_origin(rows, SPLIT["test"], "predictions")


def test_duplicated_rows_are_errors():
    with pytest.raises(ValueError, match=r"samples .*\[0, 0\]"):
        check_rows([row for row in PREDICTIONS for _ in range(2)], SPLIT["test"], "predictions")
