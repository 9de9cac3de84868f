"""The code that torch.compile generates for a card that is not there; prints a JSON line per graph.

python -m tests.gpu.generated

PyTorch's autograd engine asks the driver for streams, so a step cannot be traced with tensors of a
card. Its graphs are traced on the CPU, moved to the card, and given to Inductor from there on.
"""

import copy
import json
import re
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch._guards import detect_fake_mode
from torch._inductor import compile_fx, scheduler
from torch._inductor.debug import DebugContext
from torch._inductor.graph import GraphLowering
from torch._inductor.virtualized import V
from torch._subclasses import fake_tensor
from torch.fx import GraphModule
from torch.fx.node import map_aggregate
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

import neco.training.step
from benchmarks.training import network, noise
from neco.config import Train
from neco.config.base import merged, validated
from neco.training.compilation import compile_blocks
from neco.training.launch import launch
from neco.training.step import Training
from tests.gpu.pretended import ANSWERS, CARD
from tests.gpu.walk import TOY

H100 = SimpleNamespace(
    name="H100",
    major=9,
    minor=0,
    multi_processor_count=132,
    warp_size=32,
    max_threads_per_block=1024,
    max_threads_per_multi_processor=2048,
    regs_per_multiprocessor=65536,
    shared_memory_per_block_optin=232448,
)
CALLS = re.compile(r"^ +(?:\w+ = )?(extern_kernels\.\w+|torch\.ops\.\w+\.\w+)", re.MULTILINE)
"""Calls of libraries in the generated code"""


def on_card(graph: GraphModule, inputs: list[Any]) -> tuple[GraphModule, list[Any]]:
    """Return a graph and its inputs, moved from the CPU to the card."""
    fake = detect_fake_mode(inputs)
    moved = copy.deepcopy(graph)

    def there(value: Any) -> Any:
        return CARD if isinstance(value, torch.device) else value

    for node in moved.graph.nodes:
        node.args, node.kwargs = map_aggregate(node.args, there), map_aggregate(node.kwargs, there)
        node.meta.pop("val", None)
    moved.recompile()
    with fake:
        return moved, [
            torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=CARD)
            if isinstance(value, torch.Tensor)
            else value
            for value in inputs
        ]


def generate(graph: GraphModule, inputs: list[Any], **how: Any) -> Any:
    """Print what Inductor generates from a graph for the card; return the graph for the CPU."""
    target = SimpleNamespace(get_current_target=lambda: GPUTarget("cuda", 90, 32))
    kind = {name: bool(how.get(name)) for name in ("is_inference", "is_backward")}
    with ExitStack() as stack:
        for name, answer in ANSWERS.items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
        properties = patch.object(
            torch.cuda, "_get_device_properties", lambda *_: H100, create=True
        )
        stack.enter_context(properties)
        stack.enter_context(patch.object(scheduler, "has_triton", lambda *_: True))
        # PyTorch 2.11 makes a tensor on the card before its first fake one.
        stack.enter_context(patch.object(fake_tensor, "init_gpu_context", lambda _: None))
        torch._C._ensureCUDADeviceGuardSet()
        driver.set_active(target)
        moved, there = on_card(graph, list(inputs))
        compile_fx.view_to_reshape(moved)
        stack.enter_context(V.set_fake_mode(compile_fx.fake_tensor_prop(moved, there)))
        compile_fx.record_original_output_strides(moved)
        compile_fx._recursive_post_grad_passes(moved, is_inference=kind["is_inference"])
        lowering = GraphLowering(moved, example_inputs=there, graph_id=how.get("graph_id"), **kind)
        stack.enter_context(DebugContext())
        stack.enter_context(V.set_graph_handler(lowering))
        stack.enter_context(V.set_extern_kernel_nodes([]))
        lowering.run(*there)
        code, _ = lowering.codegen()
        code = getattr(code, "value", code)
    record = {
        **kind,
        "kernels": code.count("async_compile.triton("),
        "calls": sorted(set(CALLS.findall(code))),
    }
    print(json.dumps(record), flush=True)

    def run(values: list[Any]) -> list[Any]:
        return list(graph(*values))

    run._boxed_call = True  # type: ignore[attr-defined]
    return run


def main() -> None:
    """Take one step whose blocks are compiled."""
    settings = validated(Train, merged(TOY, {"compile": True, "precision": "bf16-mixed"}), "toy")
    backend = partial(compile_fx.compile_fx, inner_compile=generate)
    generated = partial(compile_blocks, backend=backend)
    with patch.object(neco.training.step, "compile_blocks", generated):
        backbone = network("demo-vit", settings.drop_path)
        fabric = launch(1, 1, settings.precision, "cpu")
        training = Training(backbone, settings, 10, fabric)
    for projected in (training.student, training.teacher):
        assert projected is not None
        for block in projected.backbone.blocks():
            block.attn.fused_attn = False  # the fused kernel of a CPU is none of a card's
    training.step(noise(settings, training), 0)


if __name__ == "__main__":
    main()
