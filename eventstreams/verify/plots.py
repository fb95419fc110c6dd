"""Draws plots as self-contained SVG, to be embedded in a page."""

import sys
from typing import Final

import pygal
from pygal.style import CleanStyle

# For its map plugins, which are not used here, pygal installs an import hook in the style of old Pythons: remove it.
sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, pygal.PluginImportFixer)]

_WIDTH: Final = 1000
_HEIGHT: Final = 360


def new_chart(x_title: str, y_title: str, *, height: int = _HEIGHT, dots: bool = False) -> pygal.XY:
    """A chart of lines through (x, y) points."""
    return pygal.XY(
        js=[],  # it would be downloaded
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
    """``chart`` as SVG, to be embedded in a page."""
    drawn: str = chart.render(is_unicode=True)
    return drawn
