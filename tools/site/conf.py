"""The configuration of Sphinx, which loads this module by its path."""

from eventstreams import __version__

project = "Event Streams"
release = __version__
extensions = ["myst_parser", "tools.site.navigation"]
root_doc = "index"
source_suffix = {".md": "markdown"}
nitpicky = True
# Examples have an … where readers insert something of their own; tests/unit/test_snippets.py checks their syntax.
suppress_warnings = ["misc.highlighting_failure"]

myst_heading_anchors = 4  # the anchors that links between the pages use, as the repository's own viewer makes them

html_theme = "pydata_sphinx_theme"
html_title = "Event Streams"
html_copy_source = False
html_use_index = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark, like the reader's system
html_sidebars: dict[str, list[str]] = {"index": []}
html_theme_options = {
    "header_links_before_dropdown": 8,  # all of them
    "navigation_depth": 3,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
