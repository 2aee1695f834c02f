"""The command line with fakes that take their time, as a process of its own: `python -m tests.slow ask "…"`.

The model says "writing" on stderr when it begins an answer, and writes it for a minute with torch, as an encoder computes.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from unittest.mock import patch

from rag import chat
from rag.__main__ import app
from rag.testing import CALIBRATION, WordEncoder, WordModel


class SlowModel(WordModel):
    """A WordModel that takes a minute for an answer."""

    def stream(self, *given, **options) -> Iterator[str]:
        import torch

        numbers = torch.randn(600, 600)
        print("writing", file=sys.stderr, flush=True)
        for word in range(600):
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                numbers @ numbers
            yield f"word{word} "


if __name__ == "__main__":
    with (
        patch.object(chat, "load_encoder", lambda *_: WordEncoder()),
        patch.object(chat, "load_model", lambda *_: SlowModel()),
        patch.object(chat.Calibration, "default", lambda *_: CALIBRATION),
    ):
        app()
