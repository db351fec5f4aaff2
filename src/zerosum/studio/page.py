"""The page: four tabs over a workshop."""

import html
from pathlib import Path
from typing import Any

from zerosum.studio.compare_tab import compare_tab
from zerosum.studio.look import import_gradio
from zerosum.studio.play_tab import play_tab
from zerosum.studio.runs_tab import runs_tab
from zerosum.studio.train_tab import train_tab
from zerosum.studio.workshop import Workshop

KEEP_FILES = (600, 3_600)
"""Seconds between two looks for old files of the page, and the age at which they are deleted."""


def build(workshop: Workshop, temporary: Path) -> Any:
    """The page, as gradio's Blocks.

    Args:
        temporary: a folder for uploads and for what is shown.
    """
    gr = import_gradio()
    with gr.Blocks(title="zerosum studio", analytics_enabled=False, fill_width=True, delete_cache=KEEP_FILES) as page:
        gr.HTML(f"<div id='zs-top'><h1>zerosum studio</h1><p>Runs in {html.escape(str(workshop.folder))}</p></div>")
        with gr.Tabs():
            with gr.Tab("Runs", id="runs"):
                runs_tab(workshop, page)
            with gr.Tab("Playground", id="play") as tab:
                play_tab(workshop, temporary, tab)
            with gr.Tab("Compare", id="compare") as tab:
                compare_tab(workshop, tab)
            with gr.Tab("Train", id="train"):
                train_tab(workshop)
    return page
