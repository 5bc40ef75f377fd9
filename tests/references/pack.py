"""Packing in plain Python, piece by piece."""

Piece = tuple[int, int, int]
"""Document, offset, length."""


def cut(lengths: list[int], row_length: int) -> list[Piece]:
    """Full rows and rests of every document."""
    return [
        (number, start, min(row_length, length - start))
        for number, length in enumerate(lengths)
        for start in range(0, length, row_length)
    ]


def mixed(value: int) -> int:
    """The finisher of SplitMix64, variant 13."""
    mask = (1 << 64) - 1
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & mask
    value = (value ^ value >> 27) * 0x94D049BB133111EB & mask
    return value ^ value >> 31


def best_fit(lengths: list[int], row_length: int) -> list[list[Piece]]:
    """Rows by best-fit decreasing; among rows with the same space, the one that came to have it last."""
    rows: list[list[Piece]] = []
    spaces: list[int] = []
    touched: list[int] = []
    pieces = sorted(cut(lengths, row_length), key=lambda piece: -piece[2])  # stable
    for time, piece in enumerate(pieces):
        fitting = [row for row, space in enumerate(spaces) if space >= piece[2]]
        if fitting:
            chosen = min(fitting, key=lambda row: (spaces[row], -touched[row]))
        else:
            chosen = len(rows)
            rows.append([])
            spaces.append(row_length)
            touched.append(0)
        rows[chosen].append(piece)
        spaces[chosen] -= piece[2]
        touched[chosen] = time
    numbers = {piece: number for number, piece in enumerate(cut(lengths, row_length))}
    rows.sort(key=lambda row: mixed(min((-piece[2], numbers[piece]) for piece in row)[1]))
    return [sorted(row) for row in rows]


def concat(lengths: list[int], row_length: int) -> list[list[Piece]]:
    """Documents run on over the ends of rows."""
    stream = [(number, place) for number, length in enumerate(lengths) for place in range(length)]
    rows = []
    for start in range(0, len(stream), row_length):
        row: list[Piece] = []
        for number, place in stream[start : start + row_length]:
            if row and row[-1][0] == number:
                row[-1] = (number, row[-1][1], row[-1][2] + 1)
            else:
                row.append((number, place, 1))
        rows.append(row)
    return rows


def none(lengths: list[int], row_length: int) -> list[list[Piece]]:
    """One piece in each row."""
    return [[piece] for piece in cut(lengths, row_length)]
