"""Generators on a model hub: a released folder up and down, by huggingface_hub."""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zerosum.export.release import CONFIG, WEIGHTS

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_name(path: str) -> bool:
    """Whether that can only be a name on the hub: USER/NAME, and there is neither such a folder here nor one called USER."""
    return bool(NAME.fullmatch(path)) and not Path(path).exists() and not Path(path.partition("/")[0]).exists()


def upload(folder: Path, name: str) -> str:
    """Put a released folder on the hub, into a new repository or an old one of the user's, and return its address.

    Raises:
        ImportError: huggingface_hub is missing.
        ValueError: no such name can be, or the hub refuses, with what to do.
        OSError: the hub cannot be reached.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"--to hub {name}: write the name as USER/NAME, in letters, digits, dots, dashes and underlines")
    with speaking(name, "write"):
        hub = package().HfApi()
        address = hub.create_repo(name, exist_ok=True, private=True)
        hub.upload_folder(repo_id=name, folder_path=str(folder), commit_message="A generator trained with zerosum")
    return str(address)


def download(name: str) -> Path:
    """The released folder of that name on the hub, fetched into its own cache; later calls fetch what has changed.

    Raises:
        ImportError: huggingface_hub is missing.
        ValueError: there is no such repository, or the token does not allow it.
        OSError: the hub cannot be reached.
    """
    with speaking(name, "read"):
        folder = Path(package().snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{name} on the hub is no generator of zerosum's: it has no {CONFIG}")
    return folder


def package() -> Any:
    """huggingface_hub.

    Raises:
        ImportError: it is missing, with the line that installs it.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise ImportError('generators on the hub need an extra: pip install "zerosum[hub]"') from None


@contextmanager
def speaking(name: str, access: str) -> Iterator[None]:
    """Say what the hub's errors mean and what to do."""
    hub = package()
    errors: Any = importlib.import_module("huggingface_hub.errors")
    token = (
        f"log in with `hf auth login`, or set HF_TOKEN to a token of yours that may {access} (the hub's page, Settings, Tokens)"
    )
    try:
        yield
    except errors.LocalTokenNotFoundError:
        raise ValueError(f"the hub needs to know who you are: {token}") from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f"there is no folder {name} here, and on the hub no repository {name} that you may see. If it is private, {token}"
        ) from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            known = "does not know your token" if status == 401 else f"does not let your token {access} {name}"
            raise ValueError(f"the hub {known}: {token}") from None
        raise OSError(
            f"the hub answered {status or 'nothing'} about {name}: {str(error).splitlines()[0]}; try again later"
        ) from None
    except errors.HFValidationError as error:
        raise ValueError(f"the hub does not take the name {name}: {error}") from None
    except Exception as error:  # of the hub's HTTP library, which is another in every other version
        endpoint = hub.constants.ENDPOINT
        raise OSError(f"the hub ({endpoint}) cannot be reached about {name}: {type(error).__name__}: {error}") from None
