"""Which scores can be: a share of n questions is a multiple of 1/n, so a printed percentage that is none was
not counted on those n questions.
"""


def possible(percent: float, n: int, decimals: int) -> bool:
    """Whether some whole number of n questions is `percent` when printed with so many decimals, rounded to
    either side of a tie.
    """
    if n < 1:
        raise ValueError(f"a share of {n} questions: wanted at least one")
    _, closest = nearest(percent, n)
    return abs(closest - percent) <= 0.5 / float(10**decimals) + 1e-9


def nearest(percent: float, n: int) -> tuple[int, float]:
    """The whole number of n questions that comes closest, and its percentage."""
    right = round(percent * n / 100)
    return right, 100 * right / n


def fitting(percents: list[float], n: int, decimals: int, lost: int = 10) -> list[int]:
    """The numbers of questions just below n, at most `lost` fewer, that allow all of these percentages: rows
    that may have gone missing.
    """
    return [
        fewer
        for fewer in range(n - 1, max(0, n - lost - 1), -1)
        if all(possible(one, fewer, decimals) for one in percents)
    ]
