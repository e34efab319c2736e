"""Writes exact_circuits.json: effective matrices of small crossbars in exact rational arithmetic.

Independent of the engine: every wire segment and terminal is a branch with its own current as an unknown, so resistances
of 0 need no special case; the linear system is solved by Gauss elimination over fractions.Fraction and rounded once at
the end. Conductances and resistances span up to 15 decades.

    python3 Tests/CrossbarsTests/Fixtures/Circuit/exact_circuits.py
"""

import json
import pathlib
import random
from fractions import Fraction


def solve(matrix, right):
    """Gauss elimination with any non-zero pivot, rows as dicts column -> Fraction."""
    n = len(matrix)
    for k in range(n):
        pivot = min((r for r in range(k, n) if matrix[r].get(k)), key=lambda r: len(matrix[r]))
        matrix[k], matrix[pivot] = matrix[pivot], matrix[k]
        right[k], right[pivot] = right[pivot], right[k]
        for r in range(k + 1, n):
            factor = matrix[r].pop(k, 0)
            if not factor:
                continue
            factor /= matrix[k][k]
            for c, value in matrix[k].items():
                if c != k:
                    matrix[r][c] = matrix[r].get(c, 0) - factor * value
                    if not matrix[r][c]:
                        del matrix[r][c]
            right[r] = [a - factor * b for a, b in zip(right[r], right[k])]
    for k in reversed(range(n)):
        for c, value in matrix[k].items():
            if c != k:
                right[k] = [a - value * b for a, b in zip(right[k], right[c])]
        right[k] = [a / matrix[k][k] for a in right[k]]
    return right


def effective(conductance, wire, driver, sense, backward):
    """Rows of the result: inputs; columns: outputs. All numbers are Fractions."""
    m, n = len(conductance), len(conductance[0])
    cells = m * n
    word = lambda i, j: i * n + j
    bit = lambda i, j: cells + i * n + j
    at_left, at_bottom = (sense, driver) if backward else (driver, sense)
    # Branches (from, to, resistance); a negative node is terminal −1 − t, word line t or m + bit line t.
    branches = []
    for i in range(m):
        for j in range(n):
            branches.append((word(i, j - 1), word(i, j), wire) if j else (-1 - i, word(i, 0), wire + at_left))
            branches.append(
                (bit(i, j), bit(i + 1, j), wire) if i < m - 1 else (bit(i, j), -1 - (m + j), wire + at_bottom)
            )
    inputs = [m + j for j in range(n)] if backward else list(range(m))
    outputs = list(range(m)) if backward else [m + j for j in range(n)]
    size = 2 * cells + len(branches)
    matrix = [dict() for _ in range(size)]
    right = [[Fraction(0)] * len(inputs) for _ in range(size)]

    def add(row, column, value):
        matrix[row][column] = matrix[row].get(column, Fraction(0)) + value

    for i in range(m):
        for j in range(n):
            g, w, b = conductance[i][j], word(i, j), bit(i, j)
            if g:
                add(w, w, g), add(w, b, -g), add(b, b, g), add(b, w, -g)
    for index, (start, end, resistance) in enumerate(branches):
        current = 2 * cells + index
        if resistance:
            add(current, current, resistance)
        for node, sign in ((start, 1), (end, -1)):
            if node >= 0:
                add(node, current, Fraction(sign))
                add(current, node, Fraction(-sign))
            elif -1 - node in inputs:
                right[current][inputs.index(-1 - node)] = Fraction(sign)
    solution = solve(matrix, right)
    result = [[None] * len(outputs) for _ in inputs]
    for index, (start, end, _) in enumerate(branches):
        for node, sign in ((start, -1), (end, 1)):
            if node < 0 and -1 - node in outputs:
                for k in range(len(inputs)):
                    result[k][outputs.index(-1 - node)] = float(sign * solution[2 * cells + index][k])
    return result


def main():
    cases = []
    for seed, (m, n, decades, zeros) in enumerate(
        [(1, 1, 4, ""), (1, 5, 2, ""), (6, 1, 6, ""), (5, 4, 2, ""), (3, 6, 6, "d"), (6, 3, 6, "s"), (5, 5, 12, ""),
         (4, 5, 15, ""), (5, 4, 15, "ds"), (9, 2, 6, ""), (2, 10, 6, ""), (4, 3, 2, "w"), (4, 3, 2, "wd"),
         (4, 3, 2, "ws"), (4, 3, 2, "wds"), (3, 4, 15, "w")]
    ):
        draw = random.Random(seed)
        conductance = [[10 ** draw.uniform(-4 - decades, -4) for _ in range(n)] for _ in range(m)]
        for _ in range(m * n // 4):
            conductance[draw.randrange(m)][draw.randrange(n)] = 0.0
        wire, driver, sense = (
            0.0 if name in zeros else 10 ** draw.uniform(-decades / 2, decades / 2) for name in "wds"
        )
        exact = [[Fraction(g) for g in row] for row in conductance]
        resistances = Fraction(wire), Fraction(driver), Fraction(sense)
        cases.append(
            dict(
                G=conductance, r_wire=wire, r_driver=driver, r_sense=sense,
                forward=effective(exact, *resistances, False), backward=effective(exact, *resistances, True),
            )
        )
    path = pathlib.Path(__file__).with_name("exact_circuits.json")
    path.write_text(json.dumps(cases, indent=0).replace(",\n", ", ") + "\n")


main()
