"""`zerosum studio RUNS`: a page in the browser to watch runs, play with them, compare, start and stop them."""

import getpass
import hmac
import logging
import os
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import tyro

from zerosum import api, gans, playing
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.diagnose.verdict import HEALTHY
from zerosum.run import Run
from zerosum.sampling import Sampler
from zerosum.studio import doorway
from zerosum.studio.catalogue import check_folder_of_runs
from zerosum.studio.look import CSS, import_gradio, theme
from zerosum.studio.page import build
from zerosum.studio.uploads import MAX_BYTES
from zerosum.studio.workshop import Workshop

LEAST_PASSWORD = 8


@dataclass(frozen=True)
class Studio:
    """Open the studio: a page over a folder of runs. It is for this machine alone unless --host or --share says otherwise."""

    runs: tyro.conf.Positional[Path] = Path("runs")
    """The folder that run folders lie in."""
    host: str = "127.0.0.1"
    """The address to listen at. Any other than this machine's own (0.0.0.0 for all networks) needs a password."""
    port: int = 7860
    """The port to listen at; 0: any that is free."""
    share: bool = False
    """Make a public link through gradio's servers. Needs a password."""
    password: str | None = None
    """Ask for this password (with any user name). Where one is needed and not given here, it is asked for: what stands in a
    command can be read by other users of the machine."""
    family: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A GAN of your own whose runs may be opened and started: its module, imported only if you name it. May be repeated."""
    open: bool = False
    """Open the page in the browser."""


def main(arguments: list[str]) -> int:
    """Serve until Ctrl-C."""
    chosen = options(Studio, "zerosum studio", arguments)
    check_folder_of_runs(chosen.runs)
    if not 0 <= chosen.port <= 65_535:
        raise ValueError(f"--port must be from 0 to 65535, not {chosen.port}")
    password = find_password(chosen)
    with tempfile.TemporaryDirectory(prefix="zerosum-studio-") as temporary:
        # Read when gradio is imported: where files of the page live, and that nobody is told of their use.
        os.environ |= {"GRADIO_TEMP_DIR": temporary, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
        import_gradio()
        return serve(chosen, password, Path(temporary))


def find_password(chosen: Studio) -> str | None:
    """The password; None: there is none, and none is needed.

    Raises:
        ValueError: one is needed and cannot be asked for, or it is too short.
    """
    open_to_others = chosen.share or not doorway.is_local(chosen.host)
    password = chosen.password
    if password is None and open_to_others:
        what = "--share" if chosen.share else f"--host {chosen.host}"
        if not sys.stdin.isatty():
            raise ValueError(f"{what} opens the studio to others, who could start trainings here: give a --password too")
        password = getpass.getpass(f"{what} opens the studio to others. Password for it: ")
    if password is not None and len(password) < LEAST_PASSWORD:
        raise ValueError(f"--password must have at least {LEAST_PASSWORD} characters, not {len(password)}")
    return password


def make_workshop(folder: Path, own: tuple[str, ...]) -> Workshop:
    """The studio without its page, put together.

    Raises:
        ValueError: a family of the user's own that is none.
    """
    families = {name: gans.find(name).recipes for name in (*own, *gans.names())}

    def load(run: Path, checkpoint: str) -> Sampler:
        family = Run(run).plain_recipe()["family"]
        return api.load(run, family if family in own else None, checkpoint)

    return Workshop(folder, families, own[0] if own else "dcgan", playing.tools(), load, frozenset(HEALTHY))


def serve(chosen: Studio, password: str | None, temporary: Path) -> int:
    """Show the page until Ctrl-C or a termination signal.

    Raises:
        OSError: the port is taken.
    """
    from starlette.middleware import Middleware

    logging.getLogger("httpx").setLevel(logging.WARNING)

    page = build(make_workshop(chosen.runs, chosen.family), temporary)
    local = doorway.is_local(chosen.host) and not chosen.share
    expected = (password or "").encode()
    _, url, shared = page.launch(
        server_name=chosen.host,
        server_port=chosen.port or free_port(chosen.host),
        share=chosen.share,
        auth=(lambda name, given: hmac.compare_digest(given.encode(), expected)) if password else None,
        auth_message="Any user name, and the password of zerosum studio" if password else None,
        max_file_size=MAX_BYTES,
        inbrowser=chosen.open,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        footer_links=[],
        theme=theme(),
        css_paths=[CSS],
        app_kwargs={"middleware": [Middleware(doorway.Doorway, local=local)]},
    )
    say(f"the studio is at {shared or url}\nEnd it with Ctrl-C; trainings go on without it.")
    sys.stdout.flush()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    page.close()
    return 0


def free_port(host: str) -> int:
    """A port that nothing listens at."""
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])
