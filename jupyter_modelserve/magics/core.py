"""The magics themselves. Each one parses its line and calls the Python API; all logic is there."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import magics_class

from jupyter_modelserve.client import payload, session, verbs
from jupyter_modelserve.client.results import EndpointList, InstanceView, ModelList, ServedEndpoint, Text
from jupyter_modelserve.magics import secrets, values
from jupyter_modelserve.magics.arguments import argument, line_cell_magic, line_magic, magic_arguments, parse_argstring
from jupyter_modelserve.magics.checking import CheckMagics, Lines
from jupyter_modelserve.magics.failure import named, short_errors
from jupyter_modelserve.magics.governance import GovernanceMagics
from jupyter_modelserve.magics.lineage import LineageMagics
from jupyter_modelserve.magics.progress import Progress

CONTENT_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "pandas-split": "application/json; format=pandas-split",
    "pandas-records": "application/json; format=pandas-records",
}


@magics_class
class ModelServeMagics(GovernanceMagics, LineageMagics, CheckMagics):
    """Register, serve and score models."""

    shell: Any

    @magic_arguments()
    @argument("name", help="Name of the model: iris, or catalog.schema.iris.")
    @argument(
        "model",
        nargs="?",
        help="Variable with a fitted model, function, URI or folder; by default the last run's model.",
    )
    @argument("--alias", action="append", help="Alias to set on the new version; may be repeated.")
    @argument("--example", help="Input example: a variable or expression, for instance X_train.")
    @argument("--dataset", help="Training data: a DataFrame or an MLflow dataset.")
    @argument("--tag", action="append", help="Tag as key=value; may be repeated.")
    @argument("--description", default="", help="Description of the version, in quotes.")
    @argument("--signature", help="A signature, instead of the inferred one.")
    @argument("--metrics", help="A dict of metrics for the run.")
    @argument("--params", help="A dict of parameters for the run.")
    @argument("--requirement", action="append", help="A further pip requirement; may be repeated.")
    @argument("--code-path", action="append", help="A file or folder with code of the model; may be repeated.")
    @argument("--flavor", help="MLflow flavour, when the type does not tell.")
    @argument("--check", action="store_true", help="Run it in a clean environment first; no version if that fails.")
    @argument("--verbose", action="store_true", help="Show MLflow's own messages.")
    @line_magic
    @short_errors
    def register(self, line: str) -> Any:
        """Register a model as a new version.

        %register iris model --alias Champion --example X_train
        """
        from jupyter_modelserve.authoring.register import register

        found = parse_argstring(self.register, line)
        model = found.model if found.model is None else self._model(values.unquote(found.model))
        return register(
            model,
            values.unquote(found.name),
            alias=[values.unquote(each) for each in found.alias or []],
            tags=values.pairs(found.tag),
            description=values.unquote(found.description),
            input_example=self._value(found.example),
            dataset=self._value(found.dataset),
            signature=self._value(found.signature),
            metrics=self._value(found.metrics),
            params=self._value(found.params),
            extra_pip_requirements=[values.unquote(each) for each in found.requirement or []],
            code_paths=[values.unquote(each) for each in found.code_path or []] or None,
            flavor=found.flavor,
            check=found.check,
            on_check=Lines().show,
            verbose=found.verbose,
        )

    def _model(self, text: str) -> Any:
        written = text.startswith(("runs:/", "models:/")) or values.is_folder(text, self.shell.user_ns)
        return text if written else values.evaluate(text, self.shell.user_ns)

    def _value(self, text: str | None) -> Any:
        return None if text is None else values.data(values.unquote(text), self.shell.user_ns)

    @magic_arguments()
    @argument("model", help="iris (every active version), iris@champion, iris/2 or iris/Production.")
    @argument("--name", help="Name of the endpoint; by default the model's.")
    @argument(
        "--size",
        default="Small",
        type=str.capitalize,
        choices=["Small", "Medium", "Large"],
        help="Requests at a time: 4, 16 or 64.",
    )
    @argument("--replicas", type=int, default=1, help="Processes side by side, so that one may crash unnoticed.")
    @argument("--min", type=int, dest="least", help="Fewest replicas; with --max their number follows the load.")
    @argument("--max", type=int, dest="most", help="Most replicas, however much is asked.")
    @argument("--scale-to-zero", action="store_true", help="None while nobody asks; the next request waits for one.")
    @argument("--engine", choices=["process", "docker", "auto"], help="What runs it; the setting engine by default.")
    @argument(
        "--env",
        action="append",
        help="Environment variable of the model: NAME=value or 'NAME=a value'; may be repeated.",
    )
    @argument(
        "--secret",
        action="append",
        help="Secret variable of the model: NAME asks for the value, NAME=env:VARIABLE takes it from the kernel's "
        "environment; nobody reads it again. May be repeated.",
    )
    @argument("--tag", action="append", help="Tag of the endpoint as name=value; may be repeated.")
    @argument("--wait", dest="wait", action="store_true", default=True, help="Wait until it answers (the default).")
    @argument("--no-wait", dest="wait", action="store_false", help="Return at once.")
    @argument("--timeout", type=float, default=600.0, help="Seconds to wait.")
    @line_magic
    @short_errors
    def serve(self, line: str) -> ServedEndpoint:
        """Serve a model and wait until it answers.

        %serve iris@champion
        """
        found = parse_argstring(self.serve, line)
        name = values.unquote(found.name) if found.name else None
        reference = values.unquote(found.model)
        env, tags = values.pairs(found.env, "--env"), values.pairs(found.tag)
        verbs.specification(reference, name, found.size, found.replicas, found.engine)
        hidden = secrets.read(found.secret or [])
        progress = Progress(self.shell)
        try:
            return verbs.serve(
                reference,
                name=name,
                size=found.size,
                replicas=found.replicas,
                engine=found.engine,
                env=env,
                secrets=hidden,
                tags=tags,
                min_replicas=found.least,
                max_replicas=found.most,
                scale_to_zero=found.scale_to_zero,
                wait=found.wait,
                timeout=found.timeout,
                on_status=progress.show,
            )
        except KeyboardInterrupt:
            hint = "see how it gets on with %endpoints, end it with %stop"
            raise named("KeyboardInterrupt", "stopped waiting; the endpoint goes on starting", hint) from None
        finally:
            progress.close()

    @magic_arguments()
    @argument("target", help="An endpoint, or iris@champion, iris/2, iris/Production.")
    @argument(
        "data", nargs="*", help="Variable, expression, or a .csv, .json or .parquet file. %%%%score sends the cell."
    )
    @argument("-o", "--out", help="Variable for the predictions; nothing is displayed then.")
    @argument("--params", help="A dict of inference parameters.")
    @argument(
        "--format", choices=sorted(CONTENT_TYPES), help="What the cell of %%%%score holds; JSON or CSV is recognised."
    )
    @argument("--as", dest="language", choices=["curl", "python", "powerbi"], help="Print a ready client instead.")
    @line_cell_magic
    @short_errors
    def score(self, line: str, cell: str | None = None) -> Any:
        """Predict with an endpoint or a model.

        %score iris df, or %%score iris with a request body in the cell
        """
        found = parse_argstring(self.score, line)
        reference = values.unquote(found.target)
        data = " ".join(found.data) or None
        if cell is not None and data:
            raise UsageError("%%score sends the cell; leave the data argument out, or use %score")
        if found.language:
            return verbs.snippet(reference, found.language, self._value(data))
        if cell is not None:
            result = _send(reference, cell, found.format)
        elif data is None:
            raise UsageError("what shall be scored? %score TARGET DATA, or %%score TARGET with the data in the cell")
        else:
            result = verbs.score(reference, self._value(data), self._value(found.params))
        if found.out:
            self.shell.user_ns[found.out] = result
            return None
        return result

    @line_magic
    @short_errors
    def models(self, line: str) -> ModelList:
        """List the registered models."""
        _nothing("models", line)
        return verbs.models()

    @line_magic
    @short_errors
    def endpoints(self, line: str) -> EndpointList:
        """List what is served."""
        _nothing("endpoints", line)
        return verbs.endpoints()

    @magic_arguments()
    @argument("endpoint", help="Name of the endpoint.")
    @argument("--model", help="Only this model.")
    @argument("--version", help="Only this version.")
    @argument("-n", "--lines", type=int, default=50, help="Number of lines from the end.")
    @argument("--merged", action="store_true", help="All versions and replicas in one, by time.")
    @argument("-f", "--follow", action="store_true", help="The same, and what comes, until interrupted.")
    @line_magic
    @short_errors
    def logs(self, line: str) -> Text | None:
        """Show the log of what is served.

        %logs iris --version 2 -n 100
        """
        found = parse_argstring(self.logs, line)
        endpoint = values.unquote(found.endpoint)
        if found.follow:
            _follow(endpoint, found.model or "", found.version or "", found.lines)
            return None
        return verbs.logs(endpoint, model=found.model, version=found.version, tail=found.lines, merged=found.merged)

    @magic_arguments()
    @argument("endpoint", help="Name of the endpoint.")
    @argument("--no-wait", dest="wait", action="store_false", help="Return at once.")
    @argument("--timeout", type=float, default=60.0, help="Seconds to wait for requests that still run.")
    @line_magic
    @short_errors
    def stop(self, line: str) -> Text:
        """Stop serving; the model stays registered.

        %stop iris
        """
        found = parse_argstring(self.stop, line)
        return verbs.stop(values.unquote(found.endpoint), wait=found.wait, timeout=found.timeout)

    @line_magic
    @short_errors
    def modelserve(self, line: str) -> InstanceView:
        """Show the instance: its address and the state of its parts."""
        if line.strip() != "status":
            _nothing("modelserve", line)
        return verbs.status()


for _part in (GovernanceMagics, LineageMagics, CheckMagics):
    # IPython registers what one class declares; users see one set of magics.
    for _kind, _found in _part.magics.items():
        ModelServeMagics.magics[_kind] = {**ModelServeMagics.magics[_kind], **_found}


def _follow(endpoint: str, model: str, version: str, lines: int) -> None:
    """Print lines as they come; interrupting the cell is how it ends, not a failure."""
    try:
        verbs.follow(endpoint, _write, model=model, version=version, tail=lines)
    except KeyboardInterrupt:
        return


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _nothing(name: str, line: str) -> None:
    if line.strip():
        raise UsageError(f"%{name} takes no arguments")


def _send(reference: str, cell: str, written: str | None) -> Any:
    """Send the cell as it is; JSON begins with a bracket, a brace or a quote, everything else is CSV."""
    if not cell.strip():
        raise UsageError("the cell is empty; write the request body below the first line")
    kind = written or ("json" if cell.lstrip()[0] in '[{"' else "csv")
    answer = session.run(lambda client: client.invoke(reference, cell.encode(), CONTENT_TYPES[kind]))
    return payload.present(answer.predictions, payload.Rows(1, lambda _start, _stop: None))
