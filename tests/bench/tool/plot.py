# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the time and the bytes of a restore against what a session made dirty, as SVG."""

import math
from xml.sax.saxutils import escape

from cases import SESSIONS

WIDTH, HEIGHT, LEFT, TOP, GAP, LEGEND = 420, 320, 60, 40, 70, 150
COLOURS = {"regild": "#c00000", "floor": "#000000", "floor, raw": "#888888",
           "floor, raw, hashed": "#bbbbbb", "curl | dd": "#1f77b4",
           "curl zst | zstd | dd": "#17becf", "bmaptool": "#2ca02c", "rsync": "#9467bd", "casync": "#ff7f0e",
           "zsync": "#8c564b"}


class Axis:
    """Logarithmic, from one power of ten to another."""

    def __init__(self, values, begin, length):
        self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.high = max(self.high, self.low + 1)
        self.begin, self.length = begin, length

    def at(self, value):
        return self.begin + self.length * (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def panel(title, unit, left, series):
    """`series`: {method: [(dirty MB, value, least, most)]}."""
    x = Axis([point[0] for points in series.values() for point in points], left, WIDTH)
    y = Axis([value for points in series.values() for point in points for value in point[1:]], TOP + HEIGHT, -HEIGHT)
    out = [f'<text x="{left + WIDTH / 2}" y="{TOP - 14}" text-anchor="middle" font-weight="bold">{title}</text>',
           f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#444"/>',
           f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">MB that the session made '
           'dirty</text>']
    for tick in x.ticks():
        out += [f'<line x1="{x.at(tick):.1f}" y1="{TOP}" x2="{x.at(tick):.1f}" y2="{TOP + HEIGHT}" stroke="#ddd"/>',
                f'<text x="{x.at(tick):.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{tick:g}</text>']
    for tick in y.ticks():
        out += [f'<line x1="{left}" y1="{y.at(tick):.1f}" x2="{left + WIDTH}" y2="{y.at(tick):.1f}" stroke="#ddd"/>',
                f'<text x="{left - 6}" y="{y.at(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>']
    out.append(f'<text x="{left - 6}" y="{TOP - 14}" text-anchor="end">{unit}</text>')
    for method, points in series.items():
        colour = COLOURS[method]
        line = " ".join(f"{x.at(dirty):.1f},{y.at(value):.1f}" for dirty, value, _, _ in points)
        width = 3 if method == "regild" else 1.5
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        for dirty, value, least, most in points:
            out.append(f'<circle cx="{x.at(dirty):.1f}" cy="{y.at(value):.1f}" r="3" fill="{colour}"/>')
            out.append(f'<line x1="{x.at(dirty):.1f}" y1="{y.at(least):.1f}" x2="{x.at(dirty):.1f}" '
                       f'y2="{y.at(most):.1f}" stroke="{colour}"/>')
    return out


def draw(results):
    """The plot, or None if there is nothing to draw."""
    seconds, bytes_ = {}, {}
    for name in SESSIONS:
        case = f"restore {name}"
        for method in results.methods(case):
            dirty = results.facts[case, "dirty bytes"] / 1e6
            times = results.values(case, method)
            seconds.setdefault(method, []).append((dirty, results.median(case, method), min(times), max(times)))
            wire = results.median(case, method, "wire") / 1e6
            bytes_.setdefault(method, []).append((dirty, wire, wire, wire))
    if not seconds:
        return None
    second = LEFT + WIDTH + GAP
    width, height = second + WIDTH + LEGEND + 20, TOP + HEIGHT + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif" font-size="12">',
           "<!-- SPDX-License-Identifier: GPL-2.0-or-later; made by make bench -->",
           f'<rect width="{width}" height="{height}" fill="white"/>']
    out += panel("Restore on loopback, seconds", "s", LEFT, seconds)
    out += panel("Bytes moved, MB", "MB", second, bytes_)
    for row, method in enumerate(seconds):
        y = TOP + 20 * row + 10
        out.append(f'<line x1="{second + WIDTH + 14}" y1="{y}" x2="{second + WIDTH + 38}" y2="{y}" '
                   f'stroke="{COLOURS[method]}" stroke-width="3"/>')
        out.append(f'<text x="{second + WIDTH + 44}" y="{y + 4}">{escape(method)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
