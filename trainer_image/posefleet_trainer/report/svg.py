"""The few SVG elements that the plots are made of; texts are escaped."""

from collections.abc import Iterable

from markupsafe import Markup


def svg_picture(width: int, height: int, label: str, parts: Iterable[Markup]) -> Markup:
    """An ``<svg>`` element that grows and shrinks with the page."""
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, label)
    return head + Markup("").join(parts) + Markup("</svg>")


def svg_line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A line of the CSS class ``kind``."""
    form = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return form.format(kind, x1, y1, x2, y2)


def svg_text(x: float, y: float, words: str, kind: str) -> Markup:
    """A text whose base line begins (or, by its class, ends) at (x, y)."""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, words)
