"""How the studio looks: system fonts, light and dark, and a single column on a phone. Nothing is fetched from elsewhere."""

import importlib
from pathlib import Path
from typing import Any

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

CSS = Path(__file__).with_name("look.css")

SOBER = {
    "block_label_background_fill": "transparent",
    "block_label_text_color": "*body_text_color",
    "block_label_text_weight": "600",
    "block_title_background_fill": "transparent",
    "block_title_text_color": "*body_text_color",
    "block_title_text_weight": "600",
    "block_title_padding": "0",
    "block_info_text_color": "*neutral_500",
}
"""Of the theme: labels are words, not buttons."""
PRESSED = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('[data-run]');
  if (card) trigger('press', { run: card.dataset.run });
});
"""
"""Of the cards: which run was pressed."""


def import_gradio() -> Any:
    """The library that the page is made with.

    Raises:
        ImportError: it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module("gradio")
    except ImportError:
        raise ImportError('the studio needs an extra: pip install "zerosum[studio]"') from None


def theme() -> Any:
    """The theme, with fonts that are on every machine."""
    themes = import_gradio().themes
    plain = themes.Soft(primary_hue="indigo", neutral_hue="zinc", font=FONT, font_mono=MONO, radius_size="md")
    colours = {f"{name}_dark": value for name, value in SOBER.items() if name.endswith(("fill", "color"))}
    return plain.set(**SOBER, **{**colours, "block_info_text_color_dark": "*neutral_400"})


def picture_place(gr: Any, **settings: Any) -> Any:
    """A place for a picture, whose pixels are kept as they are."""
    buttons = ["download", "fullscreen"]
    return gr.Image(format="png", interactive=False, buttons=buttons, elem_classes="zs-sheet", **settings)


def closing(element: str) -> str:
    """JavaScript before an event that takes away an element: its controls are not heard any longer.

    Their functions are deleted while they still stand there, and gradio answers those who ask for them with an error.
    """
    inert = f"document.querySelectorAll('{element}').forEach(drawn => {{ drawn.inert = true }})"
    return f"(...values) => {{ {inert}; return values }}"


def waiting(element: str) -> str:
    """JavaScript before an event that draws an element anew: it waits until the old one is gone, at most for 10 seconds.

    Otherwise gradio would draw over it, and hand on values from old components to those in their places.
    """
    wait = "await new Promise(resolve => setTimeout(resolve, 20))"
    stands = f"document.querySelector('{element}')"
    return f"async (...values) => {{ for (let times = 0; times < 500 && {stands}; times++) {wait}; return values }}"
