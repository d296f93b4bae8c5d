"""Import and run once what a deployment needs, so that a fork of this process finds it done.

Only a process without threads and connections may be forked: nothing here connects.
"""

import gc
import io
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

from migsafe import cli

_LATE = (
    "encodings.idna",
    "migsafe.audits.asking",
    "migsafe.audits.derived",
    "migsafe.audits.run",
    "migsafe.blockers.advice",
    "migsafe.blockers.ending",
    "migsafe.blockers.progress",
    "migsafe.blockers.sessions",
    "migsafe.catalog.live",
    "migsafe.deployers",
    "migsafe.histories.alembic",
    "migsafe.histories.alembic_contexts",
    "migsafe.histories.prisma_table",
    "migsafe.histories.tables",
    "migsafe.names",
    "migsafe.pipeline.applying",
    "migsafe.pipeline.halfway",
    "migsafe.pipeline.records",
    "migsafe.pipeline.resolving",
    "migsafe.pipeline.snapshotting",
    "migsafe.pipeline.unmanaged",
    "migsafe.pipeline.watching",
    "migsafe.reports.text",
    "migsafe.runner",
    "migsafe.runner.revisions",
    "migsafe.snapshots",
    "migsafe.verifying",
    "psycopg",
    "ulid",
)

for name in _LATE:
    import_module(name)

with (
    tempfile.TemporaryDirectory() as folder,
    redirect_stdout(io.StringIO()),
    redirect_stderr(io.StringIO()),
):
    file = Path(folder, "0001_one.sql")
    file.write_text("CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\n", "utf-8")
    cli.run(["lint", str(file), "--shadow", "none", "--format", "json"])

gc.collect()
gc.freeze()
