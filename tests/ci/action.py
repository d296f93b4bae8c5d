"""The action's steps, run as GitHub's runner runs them."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))

#: How the runner calls a shell (its documentation, "Workflow syntax", steps.shell).
SHELLS = {
    "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
    "python": [sys.executable],
}


def value(expression: str, known: Mapping[str, str]) -> str:
    """Evaluate an expression as far as the action needs it; what is false is empty."""
    if "||" in expression:
        left, right = expression.split("||", 1)
        return value(left, known) or value(right, known)
    if "&&" in expression:
        left, right = expression.split("&&", 1)
        return value(left, known) and value(right, known)
    if match := re.fullmatch(r"\s*(.+?)\s*(==|!=)\s*(.+?)\s*", expression):
        equal = value(match[1], known) == value(match[3], known)
        return "true" if equal == (match[2] == "==") else ""
    word = expression.strip()
    if word == "always()":
        return "true"
    return word[1:-1] if word.startswith("'") else known.get(word, "")


def filled(text: str, known: Mapping[str, str]) -> str:
    """Replace the expressions of a text."""
    return re.sub(r"\$\{\{(.+?)\}\}", lambda match: value(match[1], known), text)


@dataclass(slots=True)
class Job:
    """One run of the action in a checkout; `ran` has the exit status of each step that ran."""

    checkout: Path
    temp: Path
    inputs: Mapping[str, str]
    context: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    ran: dict[str, int] = field(default_factory=dict)
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    def known(self) -> dict[str, str]:
        """Everything that an expression may name."""
        defaults = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
        given = {**defaults, **self.inputs}
        return {
            **{f"inputs.{name}": filled(text, self.context) for name, text in given.items()},
            **self.context,
            **self.outputs,
            "runner.temp": str(self.temp),
        }

    def run(self) -> "Job":
        """Run the steps; one that fails leaves only those that run always."""
        self.temp.mkdir(exist_ok=True)
        for step in ACTION["runs"]["steps"]:
            failed = any(self.ran.values())
            condition = str(step.get("if", ""))
            if "run" not in step or (failed and "always()" not in condition):
                continue
            if condition and not value(condition, self.known()):
                continue
            self.ran[step["name"]] = self._call(step)
        return self

    def _call(self, step: Mapping[str, Any]) -> int:
        known = self.known()
        output, summary = self.temp / "output", self.temp / "summary.md"
        output.write_text("")
        script = self.temp / "script"
        assert "${{" not in step["run"], "an expression in a script lets its value be run"
        script.write_text(step["run"])
        done = subprocess.run(
            [*SHELLS[step["shell"]], str(script)],
            cwd=self.checkout / filled(step.get("working-directory", "."), known),
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "RUNNER_TEMP": str(self.temp),
                **self.environment,
                **{name: filled(str(text), known) for name, text in step.get("env", {}).items()},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.log += done.stdout + done.stderr
        for line in output.read_text().splitlines():
            name, _, text = line.partition("=")
            self.outputs[f"steps.{step['id']}.outputs.{name}"] = text
        return done.returncode

    @property
    def code(self) -> str:
        """The output of the whole action."""
        return filled(ACTION["outputs"]["exit-code"]["value"], self.outputs)

    @property
    def summary(self) -> str:
        """What the job's page shows."""
        return (self.temp / "summary.md").read_text("utf-8")


class _Comments(BaseHTTPRequestHandler):
    """GitHub's comments of one pull request, as far as the action asks."""

    server: "GitHub"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, code: int, body: object) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        page = int(self.path.rpartition("page=")[2])
        self._answer(200, self.server.comments[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        self._write(
            lambda body: self.server.comments.append({"id": len(self.server.comments), **body})
        )

    def do_PATCH(self) -> None:
        number = int(self.path.rpartition("/")[2])
        self._write(lambda body: self.server.comments[number].update(body))

    def _write(self, change: Any) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        if self.headers["Authorization"] != "Bearer may-write":
            self._answer(403, {"message": "Resource not accessible by integration"})
            return
        change(body)
        self._answer(200, {})


class GitHub(ThreadingHTTPServer):
    """A server that keeps comments."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Comments)
        self.comments: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def github() -> Iterator[GitHub]:
    """Serve comments until the context ends."""
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
