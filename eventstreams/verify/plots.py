"""Plots as SVG that stands in a page and asks nobody for anything."""

import sys
from typing import Final

import pygal
from pygal.style import CleanStyle

# For maps, which are not drawn here, pygal has put itself into the way of every import, with a hook of old Pythons.
sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, pygal.PluginImportFixer)]

_WIDTH: Final = 1000
_HEIGHT: Final = 360


def new_chart(x_title: str, y_title: str, *, height: int = _HEIGHT, dots: bool = False) -> pygal.XY:
    """A chart for lines through points of x and y."""
    return pygal.XY(
        js=[],  # it would be fetched
        width=_WIDTH,
        height=height,
        explicit_size=True,
        disable_xml_declaration=True,
        show_dots=dots,
        dots_size=2,
        x_title=x_title,
        y_title=y_title,
        style=CleanStyle,
        truncate_legend=-1,
        no_data_text="nothing",
    )


def svg_of(chart: pygal.XY) -> str:
    """``chart`` as it stands in a page."""
    drawn: str = chart.render(is_unicode=True)
    return drawn
