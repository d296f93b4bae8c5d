"""Draw `terminal.svg` from what the demo's `migsafe audit` really prints.

Run by hand when that output changes: it starts a server, so it is no part of `make check`.
"""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text


def main() -> None:
    """Play the demo in colour and keep its audit."""
    console = Console(record=True, width=82, file=io.StringIO(), force_terminal=True)
    for line in _audit().splitlines():
        console.print(Text.from_ansi(line))
    local = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="migsafe audit", code_format=local, unique_id="migsafe")
    Path(__file__).with_name("terminal.svg").write_text(svg, "utf-8")


def _audit() -> str:
    """Run the demo on a terminal of its own, so that it prints its colours."""
    demo = f"{sys.executable} -m migsafe demo"
    done = subprocess.run(  # noqa: S603
        ["script", "-qec", demo, "/dev/null"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    text = done.stdout.replace("\r", "")
    return text[text.index("$ migsafe audit") : text.index("Seven notes")].rstrip()


if __name__ == "__main__":
    main()
