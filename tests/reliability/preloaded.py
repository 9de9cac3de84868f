"""What the server of children imports once: all that the commands would import each."""

from importlib.util import find_spec

import faiss  # noqa: F401
import timm  # noqa: F401
import torch
import torch.utils.tensorboard

import neco.backbones.fetch
import neco.backbones.load
import neco.cli
import neco.data.pack
import neco.data.prepare
import neco.evaluate.in_context
import neco.evaluate.linear
import neco.evaluate.overcluster
import neco.evaluate.result
import neco.evaluate.unsupervised.attention
import neco.features
import neco.training
import neco.training.launch

if find_spec("mmseg") is not None:
    import neco.evaluate.segmenter.evaluate  # noqa: F401

torch.set_num_threads(1)
