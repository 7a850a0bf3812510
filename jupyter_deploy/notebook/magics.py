"""The magics: `%deploy` and its companions, thin over the handles.

Rule 1: a magic parses its line and calls one function; what it returns shows itself.  Rule 2: a
line that is wrong is IPython's UsageError, in one line, and exactly that class: a subclass would
get a traceback.  Rule 3: everything else that goes wrong is raised: a run of all cells stops there.
"""

from __future__ import annotations

import contextlib
import re
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, kwds, magic_arguments

from jupyter_deploy import errors
from jupyter_deploy.client.models import DeployOptions
from jupyter_deploy.core.names import endpoint_name
from jupyter_deploy.core.versions import Bump
from jupyter_deploy.notebook import handles, session
from jupyter_deploy.notebook.arguments import parse, usage
from jupyter_deploy.notebook.completion import Completer
from jupyter_deploy.notebook.handles import Deployment, Endpoint
from jupyter_deploy.notebook.keys import Key, Keys
from jupyter_deploy.notebook.preload import Preload
from jupyter_deploy.notebook.shown import Changed, Endpoints, Metrics, Told, Versions

#: A model URI may be written without quotes.
_MODEL_URI = re.compile(r"(models|runs):/\S+")
_SWITCHES = frozenset({"--stage", "--compile"})
_EXPRESSIONS = frozenset({"--sample"})
#: What each action of %apikey needs, and what it may take beside that.
_KEY_FLAGS: dict[str, tuple[set[str], set[str]]] = {
    "create": ({"consumer"}, {"rate", "expires"}),
    "rotate": ({"consumer"}, {"overlap"}),
    "revoke": ({"consumer"}, set()),
    "list": (set(), set()),
}


@magics_class
class DeployMagics(Magics):  # type: ignore[misc]  # IPython has no types
    """`%load_ext jupyter_deploy` brings these."""

    preload: Preload | None = None
    completer: Completer | None = None

    @magic_arguments()
    @argument("model", metavar="MODEL", help="any expression: a model, a function, a model URI")
    @argument("--name", required=True, help="the endpoint, for example churn")
    @argument("--sample", metavar="EXPR", help="rows to infer the contract from")
    @argument("--version", metavar="X.Y.Z", help="the version, instead of the next one")
    @argument("--bump", choices=[str(part) for part in Bump], help="which part of it grows")
    @argument("--stage", action="store_true", help="keep it warm, without traffic")
    @argument("--replicas", metavar="N|MIN:MAX", help="how many processes serve it; 1:4: as needed")
    @argument("--env", choices=["kernel"], default="kernel", help="serve with this interpreter")
    @argument("--timeout", type=float, metavar="SECONDS", help="what one prediction may take")
    @argument("--compile", action="store_true", help="serve the fastest form that is equal")
    @kwds(
        usage="deploy MODEL --name NAME [--sample EXPR] [--version X.Y.Z | --bump "
        "major|minor|patch] [--stage] [--replicas N|MIN:MAX] [--env kernel] [--timeout SECONDS] "
        "[--compile]"
    )
    @no_var_expand
    @needs_local_scope
    @line_magic
    def deploy(self, line: str, local_ns: dict[str, Any] | None = None) -> Deployment:
        """Serve a model as an endpoint: package, register, prove, start, switch.

        Returns the Deployment, and binds it to the name `deployment` as well.
        """
        asked = _parsed(self.deploy, line)
        with _usage_error():
            name, options = endpoint_name(asked.name), _options(asked)
        here = self.shell.user_ns, local_ns or {}
        model = _model(asked.model, *here)
        sample = None if asked.sample is None else _evaluated(asked.sample, *here)
        names = {**here[0], **here[1]}
        made = handles.deploy_from(names, model, name, sample=sample, options=options)
        self.shell.user_ns["deployment"] = made
        return made

    @magic_arguments()
    @argument("name", metavar="NAME", help="the endpoint")
    @argument("--to", metavar="VERSION", help="a version, instead of the one before")
    @kwds(usage="rollback NAME [--to VERSION]")
    @no_var_expand
    @line_magic
    def rollback(self, line: str) -> Changed:
        """Give all traffic back to the version before; the card says how long it took."""
        asked = _parsed(self.rollback, line)
        return _endpoint(asked).rollback(asked.to)

    @magic_arguments()
    @argument("name", metavar="NAME", help="the endpoint")
    @argument("--to", metavar="VERSION", help="a version, instead of the one on standby")
    @kwds(usage="promote NAME [--to VERSION]")
    @no_var_expand
    @line_magic
    def promote(self, line: str) -> Changed:
        """Give all traffic to the version on standby."""
        asked = _parsed(self.promote, line)
        return _endpoint(asked).promote(asked.to)

    @magic_arguments()
    @kwds(usage="endpoints")
    @no_var_expand
    @line_magic
    def endpoints(self, line: str) -> Endpoints:
        """All endpoints with their state, versions and URLs."""
        _parsed(self.endpoints, line)
        return handles.endpoints()

    @magic_arguments()
    @argument("name", metavar="NAME", help="the endpoint")
    @kwds(usage="versions NAME")
    @no_var_expand
    @line_magic
    def versions(self, line: str) -> Versions:
        """The history of an endpoint: version, state, who, when, where and why."""
        return _endpoint(_parsed(self.versions, line)).versions

    @magic_arguments()
    @argument("name", metavar="NAME", help="the endpoint")
    @argument("--window", metavar="TIME", help="how far back: 1m to 90d (1h)")
    @kwds(usage="monitor NAME [--window 1h]")
    @no_var_expand
    @line_magic
    def monitor(self, line: str) -> Metrics:
        """What an endpoint does: figures that go on in JupyterLab, and stay in the notebook."""
        asked = _parsed(self.monitor, line)
        with _usage_error():
            return _endpoint(asked).metrics(asked.window)

    @magic_arguments()
    @argument("name", metavar="NAME", help="the endpoint")
    @kwds(usage="undeploy NAME")
    @no_var_expand
    @line_magic
    def undeploy(self, line: str) -> Told:
        """Stop serving an endpoint; its history and its keys stay."""
        return _endpoint(_parsed(self.undeploy, line)).undeploy()

    @magic_arguments()
    @argument("what", metavar="ACTION NAME", help="create, rotate, revoke or list; the endpoint")
    @argument("--consumer", metavar="WHO", help="who uses the key (rotate, revoke: or its key id)")
    @argument("--rate", metavar="COUNT/UNIT", help="a limit, for example 100/minute")
    @argument("--expires", metavar="TIME", help="how long it is good for, for example 90d")
    @argument("--overlap", metavar="TIME", help="how long the old secret stays good (1d)")
    @kwds(
        usage="apikey create|rotate|revoke|list NAME [--consumer WHO] [--rate 100/minute] "
        "[--expires 90d] [--overlap 1d]"
    )
    @no_var_expand
    @line_magic
    def apikey(self, line: str) -> Key | Keys:
        """Make and manage keys; a key is written into a file, and shown nowhere."""
        asked = _parsed(self.apikey, line)
        action, _, asked.name = asked.what.partition(" ")
        wrong = _wrong_key_line(action, asked)
        if wrong:
            raise UsageError(f"{wrong}. Usage: {usage(self.apikey.parser)}")
        return _key(action, _endpoint(asked).keys, asked)


def load(shell: Any) -> None:
    """Register the magics; in a kernel, get ready for the first deploy."""
    made = DeployMagics(shell)
    shell.register_magics(made)
    made.completer = _completer(shell)
    shell.Completer.custom_matchers.append(made.completer.matcher)
    if session.in_notebook():
        made.preload = Preload(shell)


def unload(shell: Any) -> None:
    """Remove the magics."""
    made = shell.magics_manager.registry.pop(DeployMagics.__name__, None)
    if made is not None and made.preload is not None:
        made.preload.stop()
    if made is not None and made.completer is not None:
        shell.Completer.custom_matchers.remove(made.completer.matcher)
    for name in DeployMagics.magics["line"]:
        shell.magics_manager.magics["line"].pop(name, None)


def _completer(shell: Any) -> Completer:
    named = {
        name: magic for name, magic in DeployMagics.magics["line"].items() if name != "endpoints"
    }
    parsers = {name: getattr(DeployMagics, magic).parser for name, magic in named.items()}
    firsts: dict[str, tuple[str, ...]] = dict.fromkeys(parsers.keys() - {"deploy"}, ())
    hidden = shell.user_ns_hidden
    return Completer(
        parsers,
        firsts | {"apikey": tuple(_KEY_FLAGS)},
        lambda: [name for name in shell.user_ns if name not in hidden and name[0] != "_"],
    )


def _parsed(magic: Any, line: str) -> Namespace:
    return parse(magic.parser, line, switches=_SWITCHES, expressions=_EXPRESSIONS)


@contextlib.contextmanager
def _usage_error() -> Iterator[None]:
    try:
        yield
    except errors.UsageError as error:
        raise UsageError(str(error)) from None


def _options(asked: Namespace) -> DeployOptions:
    return handles.options(
        version=asked.version,
        bump=asked.bump,
        stage=asked.stage,
        replicas=asked.replicas,
        timeout=asked.timeout,
        compiled=asked.compile,
    )


def _endpoint(asked: Namespace) -> Endpoint:
    with _usage_error():
        name = endpoint_name(asked.name.strip())
    return handles.endpoint(name)


def _model(text: str, names: dict[str, Any], local: dict[str, Any]) -> Any:
    return text if _MODEL_URI.fullmatch(text) else _evaluated(text, names, local)


def _evaluated(text: str, names: dict[str, Any], local: dict[str, Any]) -> Any:
    try:
        return eval(text.strip(), names, local)  # noqa: S307  # what a person typed into a cell
    except Exception as error:  # a person's expression may raise anything
        told = error.msg if isinstance(error, SyntaxError) else error
        said = f"{type(error).__name__}: {told}".splitlines()[0]
        fix = "Run it in a cell of its own, and deploy it once that works."
        raise errors.ExpressionFailed(f"{text!r} does not evaluate: {said}.", fix) from error


def _wrong_key_line(action: str, asked: Namespace) -> str:
    if action not in _KEY_FLAGS or not asked.name.strip():
        return "%apikey takes an action and the name of an endpoint"
    needed, allowed = _KEY_FLAGS[action]
    flags = ("consumer", "rate", "expires", "overlap")
    given = {flag for flag in flags if getattr(asked, flag) is not None}
    missing, extra = needed - given, given - needed - allowed
    if missing or extra:
        verb, flag = ("needs", min(missing)) if missing else ("does not take", min(extra))
        return f"%apikey {action} {verb} --{flag}"
    return ""


def _key(action: str, keys: Keys, asked: Namespace) -> Key | Keys:
    with _usage_error():
        if action == "create":
            return keys.create(asked.consumer, rate=asked.rate, expires=asked.expires)
        if action == "rotate":
            return keys.rotate(asked.consumer, overlap=asked.overlap or "1d")
        return keys.revoke(asked.consumer) if action == "revoke" else keys
