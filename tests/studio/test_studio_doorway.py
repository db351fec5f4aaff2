"""Only the studio's own pages may use it."""

import pytest

from zerosum.studio.doorway import refusal


@pytest.mark.parametrize(
    ("headers", "local", "refused"),
    [
        ({"host": "127.0.0.1:7860"}, True, False),
        ({"host": "localhost:7860", "origin": "http://localhost:7860"}, True, False),
        ({"host": "[::1]:7860"}, True, False),
        ({"host": "evil.example:7860"}, True, True),
        ({}, True, True),
        ({"host": "127.0.0.1:7860", "origin": "http://evil.example"}, True, True),
        ({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:9999"}, True, True),
        ({"host": "127.0.0.1:7860", "origin": "null"}, True, True),
        ({"host": "192.168.1.5:7860", "origin": "http://192.168.1.5:7860"}, False, False),
        ({"host": "192.168.1.5:7860", "origin": "http://evil.example"}, False, True),
    ],
)
def test_who_is_refused(headers: dict[str, str], local: bool, refused: bool) -> None:
    assert (refusal(headers, local) is not None) == refused
