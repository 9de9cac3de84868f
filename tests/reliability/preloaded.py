"""What the server of children imports once: all that the commands would import each."""

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
import neco.evaluate.result
import neco.evaluate.unsupervised.attention
import neco.features
import neco.training
import neco.training.launch  # noqa: F401

torch.set_num_threads(1)
