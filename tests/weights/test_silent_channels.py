"""The bundled default uses its whole network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from deltasr.imaging import read_rgb8
from deltasr.models import catalogue
from deltasr.nets.silent_channels import watched_channels

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_few_channels_of_the_default_are_silent():
    model = catalogue.load(catalogue.DEFAULT)
    pictures = [read_rgb8(file)[:96, :96] for file in sorted(EXAMPLES.glob("*.[jp][pn]g"))]
    assert len(pictures) > 2
    with torch.no_grad(), watched_channels(model) as channels:
        for pixels in pictures:
            model(torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None])
    share = channels.share_of_silent()
    assert share is not None
    assert share < 0.15
