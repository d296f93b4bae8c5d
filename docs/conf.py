"""How Sphinx builds these pages: `make site`. Warnings are errors."""

from pygments.lexers.sql import PostgresLexer
from sphinx.application import Sphinx

project = "migsafe"
author = "the maintainers of migsafe"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/*/*.md"]
exclude_patterns = [".venv", "docs/man", "tests", "migsafe"]
html_theme = "furo"
html_title = "migsafe"
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 4
# The pages are read on a code host as well, so they have no list of pages of their own.
suppress_warnings = ["toc.not_included"]


def setup(app: Sphinx) -> None:
    """Read SQL as PostgreSQL's: the plain lexer knows no dollar quotes."""
    app.add_lexer("sql", PostgresLexer)
