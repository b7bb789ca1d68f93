"""The drawing of each lesson as SVG text: lines and words take the page's own colour, so one drawing suits light and dark.

Drawn for a width of 360 units, which is a phone's; what each shows in words is the lesson's `picture`.
"""

from collections.abc import Callable
from html import escape

WIDTH = 360
# Three colours that stand out from a white and from a dark page, and from each other for colour-blind readers.
_BLUE, _ORANGE, _GREEN = "#3b7dd8", "#d9730d", "#058468"


def diagram(slug: str, words: str) -> str:
    """The drawing of a lesson as HTML, with its description for screen readers."""
    height, parts = _DRAWINGS[slug]()
    return (
        f'<svg role="img" aria-label="{escape(words)}" viewBox="0 0 {WIDTH} {height}" '
        'style="width: 100%; max-width: 34rem; height: auto; display: block; color: inherit" '
        'font-size="12" fill="currentColor" stroke="none">'
        f"{''.join(parts)}</svg>"
    )


# Pieces


def _text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"{weight}>{escape(words)}</text>'
    )


def _box(
    x: float, y: float, width: float, height: float, words: str = "", colour: str = "", fill: float = 0.12
) -> str:
    stroke = colour or "currentColor"
    body = (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{stroke}" '
        f'fill-opacity="{fill:g}" stroke="{stroke}" stroke-width="1.5"/>'
    )
    lines = words.split("\n") if words else []
    first = y + height / 2 + 4 - 7 * (len(lines) - 1)
    return body + "".join(_text(x + width / 2, first + 14 * row, line) for row, line in enumerate(lines))


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight arrow; the head is right for arrows that run to the right or downwards."""
    head = (
        f"M{x2 - 6:g} {y2 - 4:g} L{x2:g} {y2:g} L{x2 - 6:g} {y2 + 4:g}"
        if abs(x2 - x1) >= abs(y2 - y1)
        else f"M{x2 - 4:g} {y2 - 6:g} L{x2:g} {y2:g} L{x2 + 4:g} {y2 - 6:g}"
    )
    return f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g} {head}" fill="none" stroke="currentColor" stroke-width="1.5"/>'


def _line(
    points: list[tuple[float, float]], colour: str = "currentColor", dash: str = "", width: float = 2
) -> str:
    path = " L".join(f"{x:g} {y:g}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashes}/>'


def _shirt(
    x: float, y: float, size: float, colour: str = _BLUE, flip: bool = False, opacity: float = 0.75
) -> str:
    """A t-shirt with a badge on one side, so that a mirrored one looks mirrored; `size` is its width."""
    turned = f"translate({x + size:g} {y:g}) scale({-size / 40:g} {size / 40:g})"
    placed = f"translate({x:g} {y:g}) scale({size / 40:g})"
    return (
        f'<g transform="{turned if flip else placed}"><path d="M13 2 Q20 8 27 2 L40 9 L35 18 L30 15 L30 38 L10 38 '
        f'L10 15 L5 18 L0 9 Z" fill="{colour}" fill-opacity="{opacity:g}"/>'
        f'<circle cx="25" cy="16" r="3" fill="white"/></g>'
    )


def _bars(x: float, y: float, values: list[float], width: float = 60, step: float = 8) -> str:
    return "".join(
        f'<rect x="{x:g}" y="{y + step * row:g}" width="{max(2, width * value):g}" height="{step - 3:g}" '
        f'fill="{_ORANGE if value == max(values) else _BLUE}"/>'
        for row, value in enumerate(values)
    )


# Lessons


def _introduction():
    values = [0.1, 0.05, 0.2, 0.08, 0.04, 0.3, 0.03, 0.05, 0.06, 1.0]
    return 110, [
        _shirt(8, 28, 56), _text(36, 102, "photo"), _arrow(74, 52, 100, 52),
        _box(106, 16, 112, 72, "network:\nmany numbers", _GREEN), _arrow(224, 52, 250, 52),
        _bars(258, 14, values, width=50), _text(316, 92, "t-shirt", anchor="start"), _text(284, 105, "ten classes"),
    ]  # fmt: skip


def _tensorflow():
    sheets = []
    for number, (name, colour) in enumerate((("red", "#c8402f"), ("green", _GREEN), ("blue", _BLUE))):
        x = 128 + 76 * number
        sheets.append(_box(x, 14, 64, 64, "", colour))
        for row in range(3):
            for column in range(3):
                value = (number * 83 + row * 47 + column * 29 + 12) % 256
                sheets.append(_text(x + 12 + 20 * column, 32 + 19 * row, str(value), size=10))
        sheets.append(_text(x + 32, 94, name))
    return 104, [_shirt(10, 18, 64), _text(42, 94, "photo"), _arrow(84, 46, 118, 46), *sheets]


def _pretrained():
    return 112, [
        _shirt(6, 28, 54), _arrow(66, 52, 86, 52),
        _box(92, 10, 130, 84, "trained before on\n1.28 million photos\nof 1,000 kinds", _GREEN), _arrow(228, 52, 248, 52),
        _bars(254, 34, [0.68, 0.04, 0.035], width=48, step=16),
        _text(292, 44, "jersey", "start"), _text(262, 60, "bulletproof vest", "start", 10),
        _text(262, 76, "sweatshirt", "start", 10), _text(157, 108, "frozen: its numbers do not change", size=11),
    ]  # fmt: skip


def _convolution():
    parts = []
    for row in range(6):
        for column in range(6):
            inside = 1 <= row <= 3 and 2 <= column <= 4
            parts.append(
                _box(
                    8 + 18 * column,
                    10 + 18 * row,
                    18,
                    18,
                    "",
                    _ORANGE if inside else "",
                    0.35 if inside else 0.04,
                )
            )
    kernel = ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]
    for number, words in enumerate(kernel):
        parts.append(_box(146 + 24 * (number % 3), 28 + 24 * (number // 3), 24, 24, words, _ORANGE))
    for row in range(4):
        for column in range(4):
            on = (row, column) == (1, 2)
            parts.append(
                _box(266 + 20 * column, 24 + 20 * row, 20, 20, "", _BLUE if on else "", 0.7 if on else 0.04)
            )
    return 140, [
        *parts, _text(62, 134, "picture"), _text(182, 118, "kernel"), _text(306, 120, "output"),
        _text(132, 70, "x", size=16), _arrow(226, 64, 258, 64), _text(240, 56, "sum", size=11),
    ]  # fmt: skip


def _transfer():
    return 128, [
        _shirt(4, 30, 36), _shirt(12, 38, 36, opacity=0.9), _arrow(56, 56, 76, 56),
        _box(80, 22, 90, 68, "frozen\nnetwork"), _arrow(174, 56, 194, 56), _box(198, 14, 22, 84, "", _BLUE),
        *[_line([(198, 26 + 12 * row), (220, 26 + 12 * row)], _BLUE, width=1) for row in range(6)],
        _arrow(224, 56, 246, 56), _box(250, 30, 56, 52, "head", _ORANGE), _arrow(310, 56, 328, 56),
        _text(345, 60, "10"), _text(125, 112, "once"), _text(209, 112, "stored"), _text(278, 112, "learns, in seconds"),
    ]  # fmt: skip


def _learning_rate():
    parts = []
    steps = {
        "too small": [(-36, 0), (-33, 0), (-30, 0), (-27.5, 0), (-25, 0)],
        "right": [(-36, 0), (-20, 0), (-9, 0), (-3, 0), (0, 0)],
        "too large": [(-14, 0), (20, 0), (-27, 0), (33, 0), (-38, 0)],
    }
    for number, (name, path) in enumerate(steps.items()):
        x, colour = 60 + 120 * number, (_BLUE, _GREEN, _ORANGE)[number]
        valley = [(x + dx, 92 - dx * dx / 22) for dx in range(-40, 41, 4)]
        walked = [(x + dx, 92 - dx * dx / 22) for dx, _ in path]
        parts += [_line(valley, width=1), _line(walked, colour)]
        parts += [f'<circle cx="{px:g}" cy="{py:g}" r="3" fill="{colour}"/>' for px, py in walked]
        parts.append(_text(x, 114, name))
    return 122, parts


def _checkpoints():
    rising = [(44 + 12 * i, 100 - 74 * (1 - 0.72**i)) for i in range(25)]
    validation = [
        (44 + 12 * i, 104 - 62 * (1 - 0.66**i) + max(0, i - 9) * 1.1 + (3 if i % 3 == 0 else 0))
        for i in range(25)
    ]
    best = min(validation, key=lambda point: point[1])
    return 140, [
        _line([(36, 10), (36, 116), (344, 116)], width=1), _line(rising, _BLUE), _line(validation, _ORANGE, "5 3"),
        f'<circle cx="{best[0]:g}" cy="{best[1]:g}" r="7" fill="none" stroke="{_ORANGE}" stroke-width="2"/>',
        f'<circle cx="{validation[-1][0]:g}" cy="{validation[-1][1]:g}" r="4" fill="{_ORANGE}"/>',
        _text(best[0], best[1] + 24, "best: kept"), _text(332, validation[-1][1] + 20, "last", "end"),
        _text(300, 20, "training", "end"), _text(190, 134, "epochs"), _text(40, 8, "accuracy", "start", 10),
    ]  # fmt: skip


def _inner_layer():
    rows = [(18 + 14 * row) for row in range(7)]
    units = [(24 + 22 * row) for row in range(4)]
    answers = [(30 + 16 * row) for row in range(5)]
    lines = [
        f'<line x1="{a}" y1="{y1}" x2="{b}" y2="{y2}" stroke="currentColor" stroke-opacity="0.3"/>'
        for a, b, left, right in ((70, 170, rows, units), (170, 274, units, answers))
        for y1 in left
        for y2 in right
    ]
    dots = [
        f'<circle cx="{x}" cy="{y}" r="6" fill="{colour}"/>'
        for x, ys, colour in ((70, rows, _BLUE), (170, units, _ORANGE), (274, answers, _GREEN))
        for y in ys
    ]
    return 136, [
        *lines, *dots, _text(70, 130, "vector, 1,280"), _text(170, 130, "inner layer"), _text(280, 130, "ten classes"),
    ]  # fmt: skip


def _dropout():
    parts = []
    for group, dropped in enumerate(({1, 4}, {0, 3, 5})):
        x = 90 + 180 * group
        for row in range(6):
            y = 16 + 16 * row
            if row in dropped:
                parts.append(
                    f'<circle cx="{x}" cy="{y}" r="6" fill="none" stroke="currentColor" stroke-dasharray="2 2"/>'
                )
                parts.append(_line([(x - 4, y - 4), (x + 4, y + 4)], width=1.5))
                parts.append(_line([(x - 4, y + 4), (x + 4, y - 4)], width=1.5))
            else:
                parts.append(f'<circle cx="{x}" cy="{y}" r="6" fill="{_BLUE}"/>')
                parts.append(
                    f'<line x1="{x + 8}" y1="{y}" x2="{x + 60}" y2="56" stroke="{_BLUE}" stroke-opacity="0.6"/>'
                )
        parts.append(f'<circle cx="{x + 64}" cy="56" r="7" fill="{_ORANGE}"/>')
        parts.append(_text(x + 28, 122, ("one step", "the next step")[group]))
    return 130, parts


def _augmentation():
    return 148, [
        _text(8, 16, "training", "start", bold=True), _shirt(8, 26, 48), _arrow(64, 50, 92, 50),
        _shirt(104, 26, 48, flip=True), _box(170, 26, 48, 48, "", "currentColor", 0.03), _shirt(164, 18, 64, opacity=0.6),
        f'<g transform="rotate(14 262 50)">{_shirt(238, 26, 48)}</g>', _shirt(304, 26, 48, colour="#8fb8ee"),
        *[_text(x, 90, words, size=11) for x, words in ((128, "mirrored"), (196, "closer"), (262, "turned"), (328, "brighter"))],
        _text(8, 112, "validation", "start", bold=True), _text(8, 134, "stays as it is, so that it measures real photos", "start"),
    ]  # fmt: skip


def _larger():
    parts = []
    for x, size, side, cost in ((30, 26, 96, 9), (94, 40, 150, 22), (168, 60, 224, 50), (262, 80, 299, 88)):
        parts.append(_box(x, 96 - size, size, size))
        parts.append(_shirt(x + size * 0.1, 96 - size * 0.92, size * 0.8))
        parts.append(_text(x + size / 2, 112, str(side)))
        parts.append(
            f'<rect x="{x + size / 2 - 8:g}" y="{212 - cost}" width="16" height="{cost}" fill="{_ORANGE}"/>'
        )
    return 236, [
        *parts,
        _text(8, 134, "work for one photo:", "start", 11),
        _text(180, 230, "it grows with the area"),
    ]


def _using():
    return 128, [
        _box(128, 40, 92, 48, "model.tflite", _GREEN), _text(8, 18, "test photos, once", "start"),
        _shirt(10, 24, 28), _shirt(42, 24, 28), _arrow(76, 40, 122, 56), _arrow(226, 56, 258, 40),
        _text(264, 40, "accuracy ± chance", "start", 11), _shirt(26, 76, 34, _ORANGE), _arrow(76, 92, 122, 76),
        _text(8, 126, "a new photo", "start"), _arrow(226, 74, 258, 96), _text(264, 102, "t-shirt, 87 %", "start", 11),
    ]  # fmt: skip


def _summary():
    steps = (
        "array",
        "convolution",
        "transfer",
        "learning rate",
        "checkpoint",
        "layers, dropout",
        "augmentation",
        "size",
        "test",
    )
    parts = []
    for number, words in enumerate(steps):
        x, y = 6 + 120 * (number % 3), 8 + 46 * (number // 3)
        parts.append(_box(x, y, 98, 32, words, _ORANGE if words == "test" else _BLUE))
        if number % 3 < 2:
            parts.append(_arrow(x + 100, y + 16, x + 117, y + 16))
    return 140, parts


def _more():
    parts = [
        _box(10, 10 + 34 * row, 96, 26, words, _BLUE)
        for row, words in enumerate(("TensorFlow", "PyTorch", "JAX"))
    ]
    parts += [
        _box(132, 10 + 34 * row, 124, 26, words, _GREEN)
        for row, words in enumerate(("EfficientNetV2", "MobileNetV2", "Xception"))
    ]
    parts += [_line([(106, 23 + 34 * a), (132, 23 + 34 * b)], width=0.75) for a in range(3) for b in range(3)]
    parts += [_line([(256, 23 + 34 * row), (286, 57)], width=0.75) for row in range(3)]
    return 116, [*parts, _box(288, 42, 62, 30, "head", _ORANGE)]


def _homework():
    parts = [
        _shirt(4, 24, 40), _arrow(48, 42, 62, 42), _box(66, 12, 46, 60, "32\nfilters", _BLUE), _arrow(114, 42, 126, 42),
        _box(130, 24, 36, 36, "pool", _BLUE), _arrow(168, 42, 180, 42), _box(184, 4, 18, 80, "", _GREEN),
        _arrow(204, 42, 228, 42), _box(232, 16, 44, 52, "dense\n64", _ORANGE), _arrow(278, 42, 300, 42),
        f'<circle cx="316" cy="42" r="12" fill="{_ORANGE}"/>', _text(193, 102, "flatten: a long row of numbers"),
        _text(316, 74, "0 to 1", size=11),
    ]  # fmt: skip
    return 112, parts


_DRAWINGS: dict[str, Callable] = {
    "introduction": _introduction,
    "tensorflow": _tensorflow,
    "pretrained": _pretrained,
    "convolution": _convolution,
    "transfer-learning": _transfer,
    "learning-rate": _learning_rate,
    "checkpoints": _checkpoints,
    "inner-layer": _inner_layer,
    "dropout": _dropout,
    "augmentation": _augmentation,
    "larger-input": _larger,
    "using-the-model": _using,
    "summary": _summary,
    "explore-more": _more,
    "homework": _homework,
}
